"""The page that `dvc plots` writes, with its scripts inside: DVC's own page takes them from a CDN.

`python -m intaglio.chain.dvc_plots` makes the page's template and sets it in DVC's settings, for this clone alone.

Vega, Vega-Lite and Vega-Embed (BSD-3-Clause) are those that Snakemake's package carries for its reports: pinned by
requirements.lock, and of the versions that DVC's page loads (Vega-Lite 5.2 on both sides).
"""

import subprocess
import sys
from pathlib import Path

from intaglio.errors import UserError
from intaglio.files import write_text

DVC = Path(".dvc")
TEMPLATE = "plots.html"
SCRIPTS = ("vega/vega.js", "vega-lite/vega-lite.js", "vega-embed/vega-embed.js")
# DVC replaces the two names in braces. Without {scripts} in it, nothing is added from elsewhere.
BEFORE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="connect-src 'none'">
{refresh_tag}
<title>Plots</title>
<style>
body { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 32px; margin: 24px; font-family: sans-serif }
body > div { max-width: 100%; overflow-x: auto }
</style>
"""
AFTER = """\
</head>
<body>
{plot_divs}
</body>
</html>
"""


def template() -> str:
    """The HTML template: with its plots filled in, it needs no network."""
    from snakemake.assets import Assets

    scripts = (f"<script>\n{Assets.get_content(name)}\n</script>\n" for name in SCRIPTS)
    return BEFORE + "".join(scripts) + AFTER


def install(dvc: Path = DVC) -> Path:
    """Write the template beside DVC's settings, and name it in those that git does not hold.

    Raises:
        UserError: there is no DVC project, or it cannot be written to.
    """
    if not (dvc / "config").is_file():
        raise UserError(f"{dvc}/config is missing: run this in the root of the clone")
    page = dvc / TEMPLATE
    write_text(page, template())
    command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", TEMPLATE]
    done = subprocess.run(command, cwd=dvc.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"dvc config failed: {done.stderr.strip()}")
    return page


def _main() -> int:
    try:
        print(f"page for dvc plots, needing no network: {install()}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
