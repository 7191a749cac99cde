"""Groups of commands in which a mistyped name is answered with the nearest one."""

import click

from fer_tf.errors import unknown_name


class SuggestingGroup(click.Group):
    """A group of commands that suggests the nearest name for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with, and the other arguments."""
        name = args[0]
        # An unknown option is click's to name.
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(str(unknown_name("command", name, self.list_commands(ctx))))
        return super().resolve_command(ctx, args)
