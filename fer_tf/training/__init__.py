"""The loop, its tasks and schedules, checkpoints, and the stages that use them."""
