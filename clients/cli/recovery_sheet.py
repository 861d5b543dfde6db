"""The recovery key as a page to print, with a QR code."""

from collections.abc import Iterable
from html import escape


def sheet_of(
    lines: Iterable[str], text: str, recipient: str, made: str, fingerprint: str | None
) -> str:
    """Return an HTML page; `lines` and `text` are the key for people and for a scanner.

    Without the box's fingerprint, there is room to write it down.
    """
    import segno

    code = segno.make(text, error="q", micro=False).svg_inline(scale=5, border=4)
    key = "\n".join(map(escape, lines))
    return _SHEET.format(
        code=code,
        key=key,
        recipient=escape(recipient),
        made=escape(made),
        fingerprint=escape(fingerprint or _TO_WRITE_DOWN),
    )


_TO_WRITE_DOWN = "______________________________ (write it down: handrail key show)"


_SHEET = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Handrail recovery key</title>
<style>
body {{ font-family: sans-serif; max-width: 40rem; margin: 2rem auto }}
pre {{ font: bold 1.25rem/1.8 monospace; border: 1px solid #000; padding: 1rem }}
.recipient {{ font-family: monospace; overflow-wrap: anywhere }}
</style>
<h1>Handrail recovery key</h1>
<p>Whoever has this page and a copy of a backup can read what patients entered. Keep it locked up,
off the box and apart from the copies. Print it, and delete the file.</p>
<pre>{key}</pre>
{code}
<p>It opens backups encrypted for <span class="recipient">{recipient}</span>, made {made}.</p>
<h2>Fingerprint of the box</h2>
<pre>{fingerprint}</pre>
<h2>When the box is gone</h2>
<ol>
<li>Install Handrail on another machine.</li>
<li><code>handrail restore FOLDER --data /var/lib/handrail</code>, with FOLDER.keys beside the copy
FOLDER.</li>
<li>Enter the key when asked, and then the fingerprint of the box, which a forged backup does not
have. Spaces, line breaks and small letters make no difference.</li>
</ol>
</html>
"""
