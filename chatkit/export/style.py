"""The look of a saved conversation: what you said in a bubble, what a model said on the page.

Within `.chatkit-saved` alone, in the colours of a notebook's theme where it stands in one; a page
of its own brings such colours, light and dark.
"""

from __future__ import annotations

SAVED = """
.chatkit-saved {
  --ck-text: var(--jp-content-font-color1, currentColor);
  --ck-quiet: var(--jp-content-font-color2, color-mix(in srgb, currentColor 65%, transparent));
  --ck-line: var(--jp-border-color2, color-mix(in srgb, currentColor 18%, transparent));
  --ck-tint: color-mix(in srgb, var(--jp-content-font-color1, currentColor) 5%, transparent);
  --ck-bubble: color-mix(in srgb, var(--jp-brand-color1, #1976d2) 12%, transparent);
  color: var(--ck-text);
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px);
  line-height: 1.6;
  margin: 0 auto;
  max-width: 46rem;
}
.chatkit-saved article { margin: 0 0 1.75em; }
.chatkit-saved article > header {
  align-items: baseline;
  color: var(--ck-quiet);
  display: flex;
  font-size: 0.85em;
  gap: 0.75em;
  margin-bottom: 0.35em;
  overflow-wrap: anywhere;
}
.chatkit-saved article > header b { color: var(--ck-text); font-weight: 600; }
.chatkit-saved article > header > * { unicode-bidi: isolate; }
.chatkit-saved article > footer, .chatkit-saved .more {
  color: var(--ck-quiet);
  font-size: 0.8em;
  font-variant-numeric: tabular-nums;
  margin-top: 0.6em;
}
.chatkit-saved .more { margin: 0 0 1.5em; text-align: center; }
.chatkit-saved article.user {
  margin-left: auto;
  max-width: 85%;
  width: fit-content;
}
.chatkit-saved article.user > header { justify-content: flex-end; }
.chatkit-saved article.user > .chatkit {
  background: var(--ck-bubble);
  border-radius: 14px 14px 4px 14px;
  padding: 0.65em 1em;
}
.chatkit-saved article.system > .chatkit {
  border-left: 3px solid var(--ck-line);
  color: var(--ck-quiet);
  padding-left: 1em;
}
.chatkit-saved .broke {
  background: var(--ck-tint);
  border-left: 3px solid var(--jp-warn-color1, #ef6c00);
  border-radius: 0 6px 6px 0;
  margin: 0.8em 0 0;
  overflow-wrap: anywhere;
  padding: 0.4em 0.8em;
}
.chatkit-saved details {
  border: 1px solid var(--ck-line);
  border-radius: 8px;
  margin: 0.8em 0;
}
.chatkit-saved details > :not(summary) { margin-left: 0.9em; margin-right: 0.9em; }
.chatkit-saved summary {
  color: var(--ck-quiet);
  cursor: pointer;
  font-size: 0.92em;
  overflow-wrap: anywhere;
  padding: 0.45em 0.9em;
}
.chatkit-saved details[open] > summary { border-bottom: 1px solid var(--ck-line); }
.chatkit-saved details.call > summary { font-family: var(--ck-mono); font-size: 0.85em; }
.chatkit-saved .thought > :not(summary) { color: var(--ck-quiet); }
.chatkit-saved .files { align-items: flex-end; display: flex; flex-wrap: wrap; gap: 0.6em; }
.chatkit-saved .files { margin: 0.8em 0; }
.chatkit-saved .files > * { margin: 0; }
.chatkit-saved .files img { border-radius: 8px; display: block; }
.chatkit-saved .file {
  border: 1px solid var(--ck-line);
  border-radius: 8px;
  padding: 0.3em 0.8em;
}
.chatkit-saved a.file::before { content: "↓ "; }
.chatkit-saved .sources {
  border-top: 1px solid var(--ck-line);
  font-size: 0.92em;
  margin-top: 1.2em;
  padding-top: 0.8em;
}
.chatkit-saved .steering {
  background: var(--ck-bubble);
  border-radius: 14px 14px 4px 14px;
  margin: 1em 0 1em auto;
  max-width: 85%;
  padding: 0.5em 1em;
  width: fit-content;
}
"""

PAGE = """
:root {
  color-scheme: light dark;
  --jp-content-font-size1: 16px;
  --jp-content-font-color1: #1f2328;
  --jp-content-font-color2: #636b74;
  --jp-border-color2: #d9dde2;
  --jp-content-link-color: #0b5cad;
  --ck-paper: #fff;
}
body {
  background: var(--ck-paper);
  color: var(--jp-content-font-color1);
  font: 16px/1.6 system-ui, sans-serif;
  margin: 0 auto;
  padding: 3rem 1.25rem 4rem;
}
body > header {
  border-bottom: 1px solid var(--jp-border-color2);
  margin: 0 auto 2.25rem;
  max-width: 46rem;
}
body > header h1 { font-size: 1.5rem; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
body > header p {
  color: var(--jp-content-font-color2);
  font-size: 0.85rem;
  font-variant-numeric: tabular-nums;
  margin: 0.3rem 0 1.1rem;
}
@media (prefers-color-scheme: dark) {
  :root {
    --jp-content-font-color1: #e3e6ea;
    --jp-content-font-color2: #9aa3ad;
    --jp-border-color2: #363b42;
    --jp-brand-color1: #64a8f0;
    --jp-content-link-color: #79b8ff;
    --jp-mirror-editor-keyword-color: #7fd08f;
    --jp-mirror-editor-number-color: #79b8ff;
    --jp-mirror-editor-builtin-color: #6fcf97;
    --jp-mirror-editor-comment-color: #8b98a5;
    --jp-mirror-editor-string-color: #f29d94;
    --jp-mirror-editor-string-2-color: #f0b072;
    --jp-mirror-editor-def-color: #8cc4ff;
    --jp-mirror-editor-meta-color: #d3a4f5;
    --jp-mirror-editor-tag-color: #7fd08f;
    --jp-mirror-editor-attribute-color: #8cc4ff;
    --jp-mirror-editor-operator-color: #d3a4f5;
    --jp-error-color1: #ff8a80;
    --jp-success-color1: #81c784;
    --ck-paper: #16181c;
  }
}
@media (max-width: 600px) {
  :root { --jp-content-font-size1: 15px; }
  body { padding: 1.5rem 0.9rem 3rem; }
}
@media print {
  :root {
    --jp-content-font-color1: #000;
    --jp-content-font-color2: #555;
    --jp-border-color2: #ccc;
    --jp-content-font-size1: 11pt;
    --ck-paper: #fff;
  }
  body { padding: 0; }
  .chatkit-saved pre, .chatkit-saved pre code { white-space: pre-wrap; }
  .chatkit-saved :is(article.user, img, tr, summary) { break-inside: avoid; }
  .chatkit-saved article > header { break-after: avoid; }
}
"""
