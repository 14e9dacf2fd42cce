"""The look of rendered blocks: JupyterLab's own colours and type, calm and roomy.

Every colour is a variable of the notebook's theme, so light and dark both fit; where there are
none (VS Code, a plain page) it is mixed from the colour of the text around it.
"""

from __future__ import annotations

CSS = """
.chatkit {
  --ck-text: var(--jp-content-font-color1, currentColor);
  --ck-quiet: var(--jp-content-font-color2, color-mix(in srgb, currentColor 65%, transparent));
  --ck-line: var(--jp-border-color2, color-mix(in srgb, currentColor 18%, transparent));
  --ck-tint: color-mix(in srgb, var(--jp-content-font-color1, currentColor) 5%, transparent);
  --ck-mono: var(--jp-code-font-family, ui-monospace, Menlo, Consolas, monospace);
  color: var(--ck-text);
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px);
  line-height: 1.6;
  overflow-wrap: anywhere;
}
.chatkit :where(p, ul, ol, pre, blockquote, div.table, div.math) { margin: 0.8em 0; }
.chatkit > :first-child, .chatkit > :first-child > :first-child { margin-top: 0; }
.chatkit > :last-child, .chatkit > :last-child > :last-child { margin-bottom: 0; }
.chatkit p.raw { white-space: pre-wrap; }

.chatkit :is(h1, h2, h3, h4, h5, h6) {
  margin-top: 1.4em;
  margin-bottom: 0.5em;
  font-weight: 600;
  line-height: 1.3;
}
.chatkit h1 { font-size: 1.6em; }
.chatkit h2 { font-size: 1.35em; }
.chatkit h3 { font-size: 1.15em; }
.chatkit :is(h4, h5, h6) { font-size: 1em; }
.chatkit :is(h5, h6) { color: var(--ck-quiet); }

.chatkit :is(ul, ol) { padding-left: 1.8em; }
.chatkit ul { list-style: disc; }
.chatkit ul ul { list-style: circle; }
.chatkit ol { list-style: decimal; }
.chatkit li { margin: 0.3em 0; }
.chatkit li::marker { color: var(--ck-quiet); }
.chatkit li > :is(p, ul, ol) { margin: 0.3em 0; }
.chatkit li > pre { margin: 0.6em 0; }
.chatkit :is(ul + ul, ol + ol, div:has(> ul) + div > ul:first-child,
  div:has(> ol) + div > ol:first-child) { margin-top: -0.5em; }
.chatkit .task-list-item { list-style: none; }
.chatkit .task-list-item-checkbox { margin: 0 0.4em 0 -1.5em; vertical-align: -0.1em; }

.chatkit a { color: var(--jp-content-link-color, #1565c0); text-decoration: none; }
.chatkit a:hover { text-decoration: underline; }
.chatkit a.image::before { color: var(--ck-quiet); content: "image: "; }
.chatkit hr { border: 0; border-top: 1px solid var(--ck-line); margin: 1.6em 0; }
.chatkit blockquote {
  border-left: 3px solid var(--ck-line);
  color: var(--ck-quiet);
  padding: 0 0 0 1em;
}

.chatkit :is(code, pre) { font-family: var(--ck-mono); font-size: 0.92em; }
.chatkit :not(pre) > code {
  background: var(--ck-tint);
  border-radius: 4px;
  padding: 0.12em 0.35em;
}
.chatkit pre {
  background: var(--ck-tint);
  border: 1px solid var(--ck-line);
  border-radius: 8px;
  line-height: 1.5;
  overflow-x: auto;
  overflow-wrap: normal;
  padding: 0.8em 1em;
  position: relative;
  tab-size: 4;
}
.chatkit pre code {
  background: none;
  color: inherit;
  font-size: 1em;
  padding: 0;
  white-space: pre;
}
.chatkit pre[data-language]::before {
  color: var(--ck-quiet);
  content: attr(data-language);
  display: block;
  font-family: var(--jp-ui-font-family, system-ui, sans-serif);
  font-size: 0.85em;
  left: 0;
  margin-bottom: 0.4em;
  position: sticky;
}

.chatkit .table { overflow-x: auto; }
.chatkit table { border: 0; border-collapse: collapse; font-size: 0.95em; margin: 0; }
.chatkit :is(th, td) {
  border: 0;
  border-bottom: 1px solid var(--ck-line);
  max-width: 40em;
  overflow-wrap: break-word;
  padding: 0.45em 1.4em 0.45em 0;
  text-align: left;
  vertical-align: top;
}
.chatkit th { color: var(--ck-quiet); font-weight: 600; }
.chatkit tr:last-child td { border-bottom: 0; }
.chatkit :is(tr, tr:nth-child(even), tr:hover) { background: none; }
.chatkit :is(th, td).right { text-align: right; }
.chatkit :is(th, td).center { text-align: center; }

.chatkit div.math { overflow-x: auto; overflow-y: hidden; padding: 0.2em 0; text-align: center; }
.chatkit math {
  font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", math;
  font-size: 1.1em;
}
.chatkit math[display="block"] { font-size: 1.2em; }
.chatkit mtd[columnalign="left"] { text-align: left; }
.chatkit mtd[columnalign="right"] { text-align: right; }
.chatkit menclose[notation="box"] { border: 1px solid; padding: 0.2em 0.4em; }
.chatkit div.math > code { display: block; text-align: left; white-space: pre-wrap; }

.chatkit pre .k { color: var(--jp-mirror-editor-keyword-color, #0a7d2c); }
.chatkit pre :is(.kc, .m) { color: var(--jp-mirror-editor-number-color, #1976d2); }
.chatkit pre :is(.kt, .nb) { color: var(--jp-mirror-editor-builtin-color, #1b7a3d); }
.chatkit pre .c {
  color: var(--jp-mirror-editor-comment-color, #5f7f7f);
  font-style: italic;
}
.chatkit pre .s { color: var(--jp-mirror-editor-string-color, #b02a2a); }
.chatkit pre .se { color: var(--jp-mirror-editor-string-2-color, #c25b00); }
.chatkit pre :is(.nc, .nf) { color: var(--jp-mirror-editor-def-color, #1565c0); }
.chatkit pre .nd { color: var(--jp-mirror-editor-meta-color, #9c27b0); }
.chatkit pre .nt { color: var(--jp-mirror-editor-tag-color, #1b7a3d); }
.chatkit pre .na { color: var(--jp-mirror-editor-attribute-color, #1565c0); }
.chatkit pre .o { color: var(--jp-mirror-editor-operator-color, #9c27b0); }
.chatkit pre .gh { font-weight: 600; }
.chatkit pre .gd { color: var(--jp-error-color1, #c62828); }
.chatkit pre .gi { color: var(--jp-success-color1, #2e7d32); }
"""
