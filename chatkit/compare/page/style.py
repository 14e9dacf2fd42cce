"""The look of a comparison that is kept: a quiet table that scrolls in its own box.

In the colours of a notebook's theme where it stands in one, as a saved conversation is.
"""

from __future__ import annotations

from chatkit.export.style import PAGE
from chatkit.render import CSS

_OWN = ".ck-runs.ck-runs"  # said twice, it goes before what a notebook says of tables
_TABLE = """
.ck-runs {
  --ck-text: var(--jp-content-font-color1, currentColor);
  --ck-quiet: var(--jp-content-font-color2, color-mix(in srgb, currentColor 65%, transparent));
  --ck-line: var(--jp-border-color2, color-mix(in srgb, currentColor 18%, transparent));
  --ck-tint: color-mix(in srgb, var(--jp-content-font-color1, currentColor) 5%, transparent);
  --ck-back: var(--jp-layout-color0, var(--ck-paper, Canvas));
  --ck-good: var(--jp-success-color1, color-mix(in srgb, #2e7d32 75%, currentColor));
  --ck-bad: var(--jp-error-color1, color-mix(in srgb, #c62828 75%, currentColor));
  --ck-warn: var(--jp-warn-color1, color-mix(in srgb, #ef6c00 75%, currentColor));
  color: var(--ck-text);
  container-type: inline-size;
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px);
  line-height: 1.5;
}
.ck-runs .box {
  border: 1px solid var(--ck-line);
  border-radius: 10px;
  font-size: 0.95em;
  max-height: 85vh;
  overflow: auto;
}
.ck-runs .part {
  contain-intrinsic-size: auto none auto calc(var(--rows) * 10em);
  content-visibility: auto;
  width: max(100%, calc(13em + var(--columns) * 18em));
}
.ck-runs .grid {
  border-collapse: separate;
  border-spacing: 0;
  font-size: 1em;
  margin: 0;
  table-layout: fixed;
  width: 100%;
}
.ck-runs .grid > * > tr { background: none; }
.ck-runs :is(.model, .asked, .place) {
  border: 0;
  border-bottom: 1px solid var(--ck-line);
  color: var(--ck-text);
  line-height: 1.5;
  max-width: none;
  overflow-wrap: anywhere;
  padding: 0.7em 0.9em;
  text-align: left;
  unicode-bidi: isolate;
  vertical-align: top;
}
.ck-runs .part:last-child > .grid > tbody > tr:last-child > * { border-bottom: 0; }
.ck-runs .model { background: var(--ck-back); position: sticky; top: 0; z-index: 2; }
.ck-runs :is(.model + .model + .model, .place + .place) { border-left: 1px solid var(--ck-line); }
.ck-runs .asked {
  background: linear-gradient(var(--ck-tint) 0 0) var(--ck-back);
  border-right: 1px solid var(--ck-line);
  font-weight: 400;
  left: 0;
  position: sticky;
  width: 13em;
  z-index: 1;
}
.ck-runs .model.asked { color: var(--ck-quiet); z-index: 3; }
.ck-runs .asked > div { position: sticky; top: 3.5em; }
.ck-runs .asked b { display: block; font-weight: 600; }
.ck-runs .asked .field { display: block; unicode-bidi: isolate; }
.ck-runs :is(.model > small, .field > i) {
  color: var(--ck-quiet);
  font-size: 0.88em;
  font-style: normal;
  font-weight: 400;
}
.ck-runs .model > small { display: block; }

.ck-runs .answer { display: flex; flex-direction: column; gap: 0.45em; }
.ck-runs .answer + .answer {
  border-top: 1px dashed var(--ck-line);
  margin-top: 0.8em;
  padding-top: 0.8em;
}
.ck-runs .answer p { margin: 0; }
.ck-runs .scores { display: flex; flex-wrap: wrap; gap: 0.3em; }
.ck-runs .chip {
  background: var(--ck-tint);
  border-radius: 999px;
  font-size: 0.85em;
  line-height: 1.4;
  padding: 0.1em 0.65em;
  unicode-bidi: isolate;
}
.ck-runs .chip b { font-weight: 600; }
.ck-runs .chip.right { background: color-mix(in srgb, var(--ck-good) 16%, transparent); }
.ck-runs .chip.right b { color: var(--ck-good); }
.ck-runs .chip.wrong { background: color-mix(in srgb, var(--ck-bad) 14%, transparent); }
.ck-runs .chip.wrong b { color: var(--ck-bad); }
.ck-runs .chip.failed { background: color-mix(in srgb, var(--ck-warn) 16%, transparent); }
SHADES
.ck-runs .answer > .chatkit { font-size: 1em; line-height: 1.5; min-width: 0; }
.ck-runs .answer > .fold { color: var(--ck-quiet); font-size: 0.85em; margin: 0; order: 2; }
.ck-runs .answer > .fold > summary { cursor: pointer; width: fit-content; }
.ck-runs .answer > .fold:not([open]) + .chatkit {
  mask-image: linear-gradient(#000 calc(100% - 2.5em), transparent);
  max-height: 9em;
  overflow: hidden;
}
.ck-runs .answer > :is(.broke, .foot) { order: 3; }
.ck-runs .why { margin: 0; }
.ck-runs .why > summary { align-items: center; cursor: pointer; list-style: none; }
.ck-runs .why > summary::-webkit-details-marker { display: none; }
.ck-runs .why > summary::after { color: var(--ck-quiet); content: "▸"; font-size: 0.8em; }
.ck-runs .why[open] > summary::after { content: "▾"; }
.ck-runs .why > p {
  border-left: 2px solid var(--ck-line);
  color: var(--ck-quiet);
  font-size: 0.88em;
  margin: 0.4em 0 0;
  padding-left: 0.7em;
  unicode-bidi: isolate;
}
.ck-runs .broke {
  border-left: 3px solid var(--ck-warn);
  overflow-wrap: anywhere;
  padding-left: 0.7em;
  unicode-bidi: isolate;
}
.ck-runs .foot { color: var(--ck-quiet); font-size: 0.82em; font-variant-numeric: tabular-nums; }
.ck-runs .sign { font-style: normal; }
.ck-runs .sign.complete { color: var(--ck-good); }
.ck-runs .sign:is(.error, .interrupted) { color: var(--ck-bad); }
.ck-runs .sign:is(.stopped, .skipped) { color: var(--ck-warn); }
.ck-runs .more { color: var(--ck-quiet); font-size: 0.88em; margin: 0.7em 0 0; }
@container (max-width: 560px) {
  .ck-runs .box { font-size: 0.88em; }
  .ck-runs .part { width: max(100%, calc(7.5em + var(--columns) * 17em)); }
  .ck-runs .asked { width: 7.5em; }
  .ck-runs :is(.model, .asked, .place) { padding: 0.55em 0.6em; }
}
@media print {
  .ck-runs { container-type: normal; }
  .ck-runs .box { border: 0; font-size: 8pt; max-height: none; overflow: visible; }
  .ck-runs .part { content-visibility: visible; width: 100%; }
  .ck-runs :is(.model, .asked, .asked > div) { position: static; }
  .ck-runs .asked { width: 14%; }
  .ck-runs .fold { display: none; }
  .ck-runs .answer > .fold:not([open]) + .chatkit { mask-image: none; max-height: none; }
  .ck-runs .answer { break-inside: avoid; }
}
"""
_REPORT = """
:root { --jp-content-font-size1: 15px; }
body > header { margin-bottom: 1.5rem; }
body > header, .ck-runs { margin-left: auto; margin-right: auto; max-width: 84rem; }
.ck-runs section { margin: 0 0 2.5em; }
.ck-runs h2 { font-size: 1.15em; font-weight: 600; margin: 0 0 0.7em; }
.ck-runs small { color: var(--ck-quiet); font-size: 0.85em; }
.ck-runs .sides {
  display: grid;
  gap: 0.6em 1.5em;
  grid-template-columns: max-content minmax(0, 1fr);
  margin: 0;
}
.ck-runs .sides > dt { color: var(--ck-quiet); }
.ck-runs .sides > dd { margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
.ck-runs .sides > dd > p { margin: 0; unicode-bidi: isolate; }
.ck-runs .sides summary { cursor: pointer; unicode-bidi: isolate; }
.ck-runs .said {
  border-left: 2px solid var(--ck-line);
  margin: 0.4em 0 0.8em 0.3em;
  padding-left: 0.9em;
}
.ck-runs .said > p { margin: 0; unicode-bidi: isolate; white-space: pre-wrap; }
.ck-runs .chatkit-card { max-width: none; }
.ck-runs .chatkit-numbers + .chatkit-numbers { margin-top: 1.8em; }
.ck-runs .plots { display: flex; flex-wrap: wrap; gap: 1.5em 2em; }
.ck-runs figure { flex: 1 1 32rem; margin: 0; max-width: 42rem; min-width: 0; }
.ck-runs section > .broke { margin: 0 0 0.8em; }
@media (max-width: 600px) {
  .ck-runs .sides { display: block; }
  .ck-runs .sides > dd { margin: 0 0 0.7em; }
}
@media print {
  .ck-runs figure { break-inside: avoid; }
  .ck-runs h2 { break-after: avoid; }
}
"""
_SHADES = "\n".join(
    f".ck-runs .chip.n{tenth} {{ background: color-mix(in srgb, var(--ck-good)"
    f" {3 * tenth}%, var(--ck-tint)); }}"
    for tenth in range(1, 11)
)


def style() -> str:
    """The style of a table, within an element of class `ck-runs`."""
    look = _TABLE.replace("SHADES", _SHADES).replace(".ck-runs", _OWN)
    return f"{_OWN} {{{CSS}}}{look}"


def report_style() -> str:
    """The style of a page of its own around it."""
    return f"{PAGE}{style()}{_REPORT.replace('.ck-runs', _OWN)}"
