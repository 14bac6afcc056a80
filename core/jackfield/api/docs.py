"""``/docs`` and ``/openapi.json``, with nothing fetched from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jackfield: HTTP API</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<link rel="icon" href="docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({
  url: "docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null
});
</script>
</body>
</html>
"""
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'self'; base-uri 'self'"
)


def add_docs(api: FastAPI) -> None:
    """Add the page and its parts."""

    async def page() -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    async def older() -> Response:
        return Response(json.dumps(as_openapi_30(api.openapi())), media_type="application/json")

    api.add_api_route("/docs", page, include_in_schema=False)
    api.add_api_route("/docs/openapi.json", older, include_in_schema=False)
    api.mount("/docs/assets", StaticFiles(directory=_folder()), name="docs")


def as_openapi_30(schema: dict[str, Any]) -> dict[str, Any]:
    """The document in OpenAPI 3.0, which the page reads; ours is 3.1."""
    return {**_older(schema), "openapi": "3.0.3"}


def _older(value: Any) -> Any:
    if isinstance(value, list):
        return [_older(one) for one in value]
    if not isinstance(value, dict):
        return value
    choices = value.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        return _nullable({**value, "anyOf": [one for one in choices if one != {"type": "null"}]})
    changed = {name: _older(one) for name, one in value.items()}
    if changed.get("type") == "null":
        changed = {**changed, "type": "string", "nullable": True, "enum": [None]}
    if isinstance(changed.get("examples"), list):
        changed["example"] = changed.pop("examples")[0]
    if "const" in changed:
        changed["enum"] = [changed.pop("const")]
    return changed


def _nullable(value: dict[str, Any]) -> dict[str, Any]:
    """What may also be null, the older way."""
    choices = value["anyOf"]
    rest = {name: _older(one) for name, one in value.items() if name != "anyOf"}
    if len(choices) > 1:
        return {**rest, "anyOf": _older(choices), "nullable": True}
    if "$ref" in choices[0]:
        return {**rest, "allOf": choices, "nullable": True}
    return {**_older(choices[0]), **rest, "nullable": True}


def _folder() -> Path:
    import swagger_ui_bundle

    return Path(swagger_ui_bundle.swagger_ui_path)
