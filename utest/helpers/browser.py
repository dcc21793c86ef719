"""Opens pages in headless Chromium and asks them what they look like."""

from __future__ import annotations

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .programs import needs

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=6000",
)
_ERRORS = "<script>window.foundErrors=[];window.addEventListener('error',e=>foundErrors.push(String(e.message)));</script>"
# Robot makes the parts of its log when they are unfolded, one after the other.
_ASK = """<script>
function unfoldAll(round) {
  if (window.expandElementWithId) {
    document.querySelectorAll('.element-header.closed').forEach(e => {
      if (e.parentElement.id && e.parentElement.id !== 'errors') { expandElementWithId(e.parentElement.id); }
    });
  }
  document.querySelectorAll('details').forEach(e => { e.open = true; });
  if (round < 12) { setTimeout(() => unfoldAll(round + 1), 200); return; }
  const answer = document.createElement('pre');
  answer.id = 'answer-of-the-page';
  let found;
  try { found = (() => { %s })(); } catch (error) { foundErrors.push(String(error)); }
  answer.textContent = JSON.stringify({errors: foundErrors, found: found});
  document.body.appendChild(answer);
}
setTimeout(() => unfoldAll(0), 300);
</script>"""


def ask(page: Path, script: str, *, width: int = 1280, height: int = 3000, theme: str = "light") -> Any:
    """Opens a copy of a page with everything unfolded, runs a script in it, and returns what that returns.

    Args:
        page: the file; the copy stands beside it.
        script: the body of a function; what it returns has to be JSON.
        width: of the window, in pixels.
        height: of the window, in pixels.
        theme: `light` or `dark`, as Robot's log knows it.

    Raises:
        AssertionError: a script of the page failed.
    """
    program = needs("chromium")
    text = page.read_text(encoding="utf-8")
    copy = page.with_name(f"asked-{page.name}")
    head, body = text.index("<head>") + len("<head>"), text.rindex("</body>")
    copy.write_text(text[:head] + _ERRORS + text[head:body] + _ASK % script + text[body:], encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        command = [program, *_OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "--dump-dom"]
        run = subprocess.run([*command, f"{copy.as_uri()}?theme={theme}"], capture_output=True, timeout=90, check=False)
    dom = run.stdout.decode(errors="replace")
    match = re.search(r'<pre id="answer-of-the-page">(.*?)</pre>', dom, re.DOTALL)
    assert match is not None, f"the page gave no answer:\n{run.stderr.decode(errors='replace')[-2000:]}"
    answer = json.loads(html.unescape(match[1]))
    assert not answer["errors"], answer["errors"]
    return answer.get("found")
