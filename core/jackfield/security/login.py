"""The small page that asks for the admin key."""

from __future__ import annotations

from string import Template

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jackfield</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --back: #fcfbf9; --text: #24282c; --line: #c9c4ba; --key: #1d6663;
  --wrong: #b3423a; }
@media (prefers-color-scheme: dark) { :root { --back: #15181a; --text: #e6e4df; --line: #454d52;
  --key: #2b7f7a; --wrong: #e07a70; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
form { width: min(24rem, 90vw); display: grid; gap: .8rem; }
h1 { font-size: 1.6rem; margin: 0; }
p { margin: 0; }
.wrong { color: var(--wrong); }
input, button { font: inherit; padding: .55rem .7rem; border-radius: 8px;
  border: 1px solid var(--line); background: transparent; color: inherit; }
button { background: var(--key); border-color: var(--key); color: #fff; cursor: pointer; }
small { opacity: .75; }
</style>
</head>
<body>
<form method="post" action="/login">
<h1>Jackfield</h1>
<p>This server can be reached from other computers, so it asks for its admin key.</p>
$message
<label for="key">Admin key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Open</button>
<small>It was shown when the server was first started like this, and lies in
<code>secrets.toml</code> in the data folder.</small>
</form>
</body>
</html>
""")

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

WRONG = "This is not the admin key."
FOR_PROGRAMS = (
    "This is the key for programs. The dashboard can change everything, so it asks for the admin "
    "key."
)


def login_page(message: str = "") -> str:
    """The page as HTML, with what was wrong with the last try."""
    shown = f'<p class="wrong" role="alert">{message}</p>' if message else ""
    return PAGE.substitute(message=shown)
