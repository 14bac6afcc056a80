"""What installing a plugin isolated asks for besides pip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution

from packaging.utils import canonicalize_name

from jackfield.discovery import Found
from jackfield.environments import Environments, Wanted
from jackfield.errors import InvalidRequest, NotFound, NotPermitted, PluginError
from jackfield.isolation import OURS, Isolated, Isolations, extras_in, requirements
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.pip_process import Progress
from jackfield.plugin_record import PluginRecord
from jackfield.settings_store import SettingsStore

LOADERS = "jackfield_loaders"


class Isolation:
    """Notes what is isolated, makes its environment, and undoes both."""

    def __init__(self, paths: Paths, settings: SettingsStore, plugins: PluginManager) -> None:
        self._settings = settings
        self._plugins = plugins
        self._isolations = Isolations(paths)
        self._environments = Environments(paths, settings)

    def refuse_offline(self, spec: str) -> None:
        """Say at once what would fail later.

        Raises:
            NotPermitted: an environment would have to be fetched, and offline mode is on.
        """
        if self._settings.value.offline:
            raise NotPermitted(
                f"{spec!r} was not installed: an environment of its own would have to be fetched, "
                "and offline mode is on.",
                hint="Switch offline mode off in the settings, or install it without --isolated.",
            )

    def refuse_mixing(self, names: Iterable[str]) -> None:
        """An isolated plugin's requirements must not come into the server by an upgrade.

        Raises:
            InvalidRequest: one of these is installed isolated.
        """
        for name in names:
            isolated = self._isolations.get(name)
            if isolated is not None and isolated.version:
                raise InvalidRequest(
                    f"The package {isolated.name!r} is installed isolated, and would bring what it "
                    "needs into the server.",
                    hint="Add --isolated; or, to have it beside the others, uninstall it first.",
                    param="isolated",
                )

    def requirements(self, name: str, spec: str, texts: Iterable[str]) -> tuple[str, ...]:
        """What the environment of a distribution would hold.

        Args:
            spec: what is installed, which may ask for extras.
            texts: its ``Requires-Dist`` lines; none if it is here already.

        Raises:
            PluginError: it needs another version of Jackfield.
        """
        here = Isolated(canonicalize_name(name), extras_in(spec))
        found = tuple(texts)
        return requirements(name, found, here.extras) if found else here.requirements

    @contextmanager
    def installing(
        self, names: Collection[str], spec: str, take_back: Callable[[str], None]
    ) -> Iterator[None]:
        """Note that a distribution is isolated, before it is there; undo all if that fails.

        A process that is killed in between leaves a note that does no harm: the environment is
        made when a model first needs it.

        Args:
            take_back: uninstalls it, if it was not there before.

        Raises:
            InvalidRequest: not a plugin's package, or models run in its environment.
        """
        (name,) = names
        if name in ("", OURS):
            raise InvalidRequest(
                f"{spec!r} cannot be installed isolated.",
                hint="Give the name of a plugin's package, its folder, or a wheel file.",
            )
        self._environments.refuse_used(name, "be made anew")
        was_here, before = _is_here(name), self._isolations.get(name)
        extras = extras_in(spec) or (before.extras if before is not None else ())
        self._isolations.add(Isolated(name, extras))
        try:
            yield
        except BaseException:
            if not was_here and _is_here(name):
                take_back(name)
            if before is None:
                self._isolations.remove(name)
                with suppress(NotFound):
                    self._environments.remove(name)
            else:
                self._isolations.add(before)
            raise

    def furnish(self, names: Collection[str], progress: Progress) -> None:
        """Make the environments of a distribution that was just installed.

        Raises:
            PluginError: it brings no loader, or none that could be imported.
            NotPermitted, DiskFull, LoadFailed: as for ``Environments.ensure``.
        """
        (name,) = names
        isolated = self._isolations.get(name)
        assert isolated is not None  # noted by ``installing``
        records = [
            one for one in self._plugins.records() if canonicalize_name(one.distribution) == name
        ]
        _refuse_unfit(name, records)
        for wanted in self._wanted(isolated):
            self._environments.ensure(wanted, progress)

    def environments_of(self, package: str, plugins: Iterable[Found]) -> list[str]:
        """The environments that go with a distribution, isolated or not.

        Raises:
            InvalidRequest: models run in one of them.
        """
        names = set(self._environments.of_packages(frozenset(one.top_package for one in plugins)))
        isolated = self._isolations.get(package)
        if isolated is not None:
            names |= {isolated.name} & {*self._environments.names()}
        for name in names:
            self._environments.refuse_used(name, "be removed")
        return sorted(names)

    def forget(self, package: str, environments: Iterable[str]) -> None:
        """Remove what went with a distribution that was uninstalled."""
        for name in environments:
            self._environments.remove(name)
        if self._isolations.get(package) is not None:
            self._isolations.remove(package)

    def _wanted(self, isolated: Isolated) -> list[Wanted]:
        """What its loaders need; those of a plugin that is disabled are not known yet."""
        found: dict[str, Wanted] = {}
        for loader in self._plugins.loaders().values():
            if type(loader).__module__.partition(".")[0] in isolated.packages:
                wanted = self._environments.wanted(loader)
                assert wanted is not None  # it is isolated
                found[wanted.name] = wanted
        return list(found.values()) or [Wanted.for_distribution(isolated)]


def _refuse_unfit(name: str, records: Sequence[PluginRecord]) -> None:
    """Refuse plugins that an environment is of no use to, as far as they are known.

    Raises:
        PluginError: the import fails for want of what the environment would hold, or no plugin
            offers a loader.
    """
    aside = [one for one in records if one.state == "set aside"]
    for record in aside:
        if record.error.startswith(("ModuleNotFoundError", "ImportError")):
            raise PluginError(
                f"The package {name!r} cannot be installed isolated: plugin {record.name!r} "
                f"imports its back-end when it is imported itself. {record.error}",
                hint="The server imports a plugin without what it needs. Its author has to import "
                "the back-end inside the loader's load().",
            )
    if any(LOADERS in one.hooks or one.state == "disabled" for one in records):
        return
    if aside:
        raise PluginError(
            f"The package {name!r} was not installed: plugin {aside[0].name!r} cannot be used. "
            f"{aside[0].error}",
            hint=aside[0].advice,
        )
    raise PluginError(
        f"The package {name!r} offers no loader, and only loaders can be isolated.",
        hint="Install it without --isolated.",
    )


def _is_here(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
