"""The documentation holds together: links lead to files, TOML examples parse, tables have one width."""
# timeout: 60
import os
import pathlib
import re
import sys
import tomllib

root = pathlib.Path(os.environ["WASSERFLOW_SOURCE_DIR"])
pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("bench/*.md"), *root.glob("tools/**/*.md")]
faults = []


def text_of(page):
    return page.read_text(encoding="utf-8")


def check_links(page, text):
    code_free = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", code_free):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        if not (page.parent / target.split("#")[0]).exists():
            faults.append(f"{page}: the link to {target} leads nowhere")


def check_toml(page, text):
    for block in re.findall(r"```toml\n(.*?)```", text, flags=re.S):
        try:
            tomllib.loads(block)
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{page}: a TOML example is wrong: {error}\n{block}")


def check_tables(page, text):
    """A row with another number of cells than its header is drawn wrongly."""
    width = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", lambda m: m.group().replace("\\|", ""), line)))
        if width and cells != width:
            faults.append(f"{page}:{number}: {cells - 1} cells in a table of {width - 1} columns")
        width = width or cells


for page in pages:
    text = text_of(page)
    check_links(page, text)
    check_toml(page, text)
    check_tables(page, text)
if len(pages) < 5:
    faults.append(f"only {len(pages)} pages found under {root}")
print("\n".join(faults) or f"{len(pages)} pages are sound")
sys.exit(1 if faults else 0)
