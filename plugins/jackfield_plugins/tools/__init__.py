"""Built-in tools, and where all tools are listed and tried out."""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, available_timezones

from jackfield import Field, InvalidRequest, Page, Plugin, Reach, Routes, Tool, hookimpl, tool

if TYPE_CHECKING:
    import typer

    from jackfield.application import Application


class Tools(Plugin):
    """Tools for models: a calculator, the date and time, reading a page of the web."""

    # "download", as the others of its tools work offline; pages are then not offered
    reach = Reach(network="download", hosts=("the web pages that a model is allowed to read",))

    class Config(Plugin.Config):
        """Which tools there are."""

        calculator: bool = Field(True, description="Offer the calculator")
        clock: bool = Field(True, description="Offer the date and time")
        web_pages: bool = Field(
            True, description="Offer to read pages of the web; never while Jackfield is offline"
        )
        page_length: int = Field(
            12_000, ge=500, le=200_000, description="Characters of a page that a model is given"
        )
        page_seconds: float = Field(20, ge=1, le=120, description="Seconds that a page may take")

    @hookimpl
    def jackfield_tools(self) -> list[Tool]:
        """The built-in ones that are switched on."""
        tools = []
        if self.config.calculator:
            tools.append(tool(calculator, title="Calculator", approval="always", seconds=10))
        if self.config.clock:
            tools.append(tool(current_time, title="Date and time", approval="always", seconds=10))
        if self.config.web_pages and not self.context.offline():
            tools.append(self._page_reader())
        return tools

    def _page_reader(self) -> Tool:
        def read_web_page(
            url: Annotated[str, Field(description="Begins with https:// or http://")],
        ) -> str:
            """Read the text of a public web page or PDF file."""
            from jackfield_plugins.web_page import fetch

            page = fetch(url, offline=self.context.offline, seconds=self.config.page_seconds)
            text, longest = page.text, self.config.page_length
            if len(text) > longest:
                text = f"{text[:longest]}\n[cut: the first {longest:,} of {len(text):,} characters]"
            return f"{page.title}\n\n{text}" if page.title not in ("", url) else text

        seconds = self.config.page_seconds + 5  # its own time limit tells more
        return tool(read_web_page, title="Read a web page", seconds=seconds)

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Know where all tools are listed."""
        self._app = app

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """All tools, and a way to try each."""
        from jackfield_plugins.tools.page import draw

        return [Page(title="Tools", url_path="tools", icon=":material/construction:", draw=draw)]

    @hookimpl
    def jackfield_routes(self) -> Routes:
        """``/api/tools``."""
        from jackfield_plugins.tools.routes import router

        return Routes(router=router(lambda: self._app), paths=("/api/tools",))

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield tools``."""
        from jackfield_plugins.tools.commands import add

        add(cli, app)


def calculator(
    expression: Annotated[str, Field(description="For example: (3 + 4) * sqrt(2) / 5")],
) -> str:
    """Calculate an arithmetic expression exactly. Use it for any calculation.

    It knows + - * / // % ** and brackets, pi, e, sqrt, cbrt, exp, log(x, base), ln, log2, log10,
    sin, cos, tan and their inverses (radians), degrees, radians, abs, round(x, places), floor,
    ceil, min, max, gcd, lcm, factorial, comb and perm.
    """
    from jackfield_plugins.tools.calculation import calculate

    return calculate(expression)


def current_time(
    time_zone: Annotated[
        str, Field(description="For example Europe/Paris; empty for the user's own")
    ] = "",
) -> str:
    """Tell today's date, the weekday and the time."""
    known = available_timezones()
    if time_zone and time_zone not in known:
        place = time_zone.replace(" ", "_").lower()
        near = [one for one in known if one.lower().endswith(f"/{place}") or one.lower() == place]
        near = near or get_close_matches(time_zone, known)
        raise InvalidRequest(
            f"There is no time zone {time_zone!r}.",
            hint=f"Did you mean {' or '.join(sorted(near))}?" if near else "Try Europe/Paris.",
        )
    zone = ZoneInfo(time_zone) if time_zone else None
    now = datetime.now(zone).astimezone(zone)
    offset = f"{now:%z}"
    return (
        f"{now:%A}, {now.day} {now:%B %Y}, {now:%H:%M:%S} "
        f"({time_zone or now.tzname()}, UTC{offset[:3]}:{offset[3:]})"
    )
