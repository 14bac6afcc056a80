"""The errors Jackfield raises on purpose.

They are shown as one message without a traceback; anything else is a defect and keeps its own.
A message says what failed with the value in quotes, then the rule, then what to do.

    JackfieldError
    ├── InvalidRequest              what was asked cannot be done as asked (400, usage)
    │   ├── UnsupportedSampling     a sampling field that the loaded model's loader lacks
    │   ├── PromptTooLong           more tokens than the context holds
    │   ├── TemplateError           a chat template that is missing, broken, too slow or too long
    │   ├── SettingsError           a settings file or value that cannot be used
    │   └── TurnRefused             a plugin declined to answer this turn
    ├── NotFound                    nothing of that name (404)
    │   ├── ModelNotFound
    │   ├── PluginNotFound
    │   └── ConversationNotFound
    ├── NotPermitted                a wrong or missing key, a foreign host, offline mode (401, 403)
    ├── ModelFileError              a model file that is broken or not what it says
    ├── DownloadError               a download that did not arrive whole and right
    │   └── CorruptDownload         what arrived is not what was promised; nothing of it is kept
    ├── DiskFull                    not enough room, said before anything is written
    ├── HomeInUse                   another server has this data folder
    ├── PluginError                 a plugin that cannot be used, or a hook that failed
    │   └── PluginConflict          two plugins want what only one may have
    ├── LoadFailed                  a model that could not be loaded (503)
    ├── WorkerDied                  a model's process ended under a request (503)
    └── LoaderError                 the loader or its engine reported a failure (500)
"""

from __future__ import annotations

from typing import Any, ClassVar


class JackfieldError(Exception):
    """The base of all errors that a user can do something about.

    Args:
        message: what failed, the rule, in one or two sentences.
        hint: what to do next, a sentence or a command; shown on a line of its own.
        details: objects the caller may look at (names, numbers, paths), also sent by the API.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InvalidRequest(JackfieldError):
    """What was asked cannot be done as asked. ``details['param']`` names the field at fault."""

    status = 400
    code = "invalid_request_error"
    exit_code = 2


class UnsupportedSampling(InvalidRequest):
    """A sampling field with a value that is not neutral and that the loader lacks."""

    code = "unsupported_parameter"


class PromptTooLong(InvalidRequest):
    """More prompt tokens than the context holds: ``details`` has ``tokens`` and ``limit``."""

    code = "context_length_exceeded"


class TemplateError(InvalidRequest):
    """A chat template that is missing, does not parse, or overruns its limits."""

    code = "invalid_template"


class SettingsError(InvalidRequest):
    """A settings file that does not parse, or a value outside its bounds."""

    code = "invalid_settings"
    exit_code = 1


class TurnRefused(InvalidRequest):
    """Raised by a plugin's hook to decline a turn; the message is shown to the user."""

    code = "refused_by_plugin"
    exit_code = 1


class NotFound(JackfieldError):
    """Nothing of that name exists."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No such model: ``details`` has ``name`` and ``nearest`` (a name or None)."""

    code = "model_not_found"


class PluginNotFound(NotFound):
    """No such plugin: ``details`` has ``name`` and ``nearest`` (a name or None)."""

    code = "plugin_not_found"


class ConversationNotFound(NotFound):
    """No such conversation or message."""

    code = "conversation_not_found"


class NotPermitted(JackfieldError):
    """A wrong or missing key, a foreign host or origin, a path outside the data folders."""

    status = 403
    code = "not_permitted"


class ModelFileError(JackfieldError):
    """A model file that is truncated, or not of the format its name says."""

    status = 422
    code = "invalid_model_file"


class DownloadError(JackfieldError):
    """A download that did not arrive whole and right; nothing of it was kept as a model."""

    status = 502
    code = "download_failed"


class CorruptDownload(DownloadError):
    """What arrived is not what was promised, so nothing of it may be gone on with.

    ``details`` may have ``expected`` and ``arrived``, two hashes or two sizes.
    """

    code = "download_corrupt"


class DiskFull(JackfieldError):
    """Not enough free disk: ``details`` has ``needed`` and ``free`` in bytes, and ``path``."""

    status = 507
    code = "disk_full"


class HomeInUse(JackfieldError):
    """Another server works on this data folder: ``details`` has ``pid`` and ``url``."""

    status = 409
    code = "home_in_use"


class PluginError(JackfieldError):
    """A plugin that cannot be used, or a hook that raised: ``details['plugin']`` names it."""

    code = "plugin_error"


class PluginConflict(PluginError):
    """Two plugins want what only one may have: ``details`` has ``what`` and ``owners``."""

    status = 409
    code = "plugin_conflict"


class LoadFailed(JackfieldError):
    """A model could not be loaded; ``details`` may have ``log``, the worker's last lines."""

    status = 503
    code = "load_failed"


class WorkerDied(JackfieldError):
    """A model's process ended under a request: ``details`` has ``exit_code`` and ``log``."""

    status = 503
    code = "worker_died"


class LoaderError(JackfieldError):
    """The loader or its engine failed on one request; the model stays loaded."""

    code = "loader_error"
