"""A plugin that raises in every hook."""

from jackfield import Plugin, hookimpl


class Bad(Plugin):
    """Raises in every hook."""

    @hookimpl
    def jackfield_loaders(self):
        raise ValueError("loaders")

    @hookimpl
    def jackfield_model_sources(self):
        raise ValueError("model sources")

    @hookimpl
    def jackfield_chat_templates(self):
        raise ValueError("chat templates")

    @hookimpl
    def jackfield_sampling_presets(self):
        raise ValueError("sampling presets")

    @hookimpl
    def jackfield_pages(self):
        raise ValueError("pages")

    @hookimpl
    def jackfield_commands(self, cli):
        raise ValueError("commands")

    @hookimpl
    def jackfield_routes(self):
        raise ValueError("routes")

    @hookimpl
    def jackfield_before_turn(self, turn):
        raise ValueError("before the turn")

    @hookimpl
    def jackfield_transform_input(self, text):
        raise ValueError("input")

    @hookimpl
    def jackfield_add_context(self, turn):
        raise ValueError("context")

    @hookimpl
    def jackfield_modify_sampling(self, params):
        raise ValueError("sampling")

    @hookimpl
    def jackfield_transform_prompt(self, prompt):
        raise ValueError("prompt")

    @hookimpl
    async def jackfield_filter_stream(self, events):
        async for _ in events:
            raise ValueError("stream")
        yield

    @hookimpl
    def jackfield_transform_reply(self, reply):
        raise ValueError("reply")

    @hookimpl
    def jackfield_after_turn(self, turn, trace):
        raise ValueError("after the turn")

    @hookimpl
    def jackfield_started(self):
        raise ValueError("started")

    @hookimpl
    def jackfield_stopped(self):
        raise ValueError("stopped")

    @hookimpl
    def jackfield_config_changed(self, before):
        raise ValueError("config changed")

    @hookimpl
    def jackfield_model_loaded(self, model, info):
        raise ValueError("model loaded")

    @hookimpl
    def jackfield_model_unloaded(self, model):
        raise ValueError("model unloaded")
