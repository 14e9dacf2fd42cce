// One answer in the table. All of it is text: nothing that a model wrote is taken for HTML here.
const STATUS = {
  queued: "Queued",
  streaming: "Being written",
  complete: "Complete",
  stopped: "Stopped",
  interrupted: "Interrupted",
  error: "Error",
  skipped: "Skipped",
};
const SILENT = { complete: "An empty answer", streaming: "Waiting for the first word" };
const SIGNS = { good: "✓", part: "◐", bad: "✗", none: "?" };
const DIFFERS = { removed: "del", added: "ins" };

// Put `text` into `el`, what is looked for marked in it.
const marked = (el, text, hit) => {
  el.replaceChildren();
  const low = text.toLowerCase();
  let at = 0;
  for (let next; hit && (next = low.indexOf(hit, at)) >= 0; at = next + hit.length) {
    el.append(text.slice(at, next));
    make("mark", "", el).textContent = text.slice(next, next + hit.length);
  }
  el.append(text.slice(at));
};

// What differs, word by word.
const differences = (el, pieces) => {
  el.replaceChildren();
  for (const [kind, text] of pieces)
    if (kind in DIFFERS) make(DIFFERS[kind], "", el).textContent = text;
    else el.append(text);
};

const chip = (parent, [name, level, value]) => {
  const it = make("span", `ck-chip ck-${level}`, parent);
  make("span", "ck-sign", it).textContent = SIGNS[level];
  const shown = { right: "", wrong: "" }[value] ?? value;
  it.append(shown ? `${name} ${shown}` : name);
  it.title = `${name}: ${value}`;
  it.ariaLabel = it.title;
  it.role = "img";
};

const fillCell = (el, cell, hit) => {
  el.className = `ck-cell ck-is-${cell.status}`;
  el.classList.toggle("ck-dim", !!cell.dim);
  el.dataset.run = cell.run;
  const text = make("div", "ck-said", el);
  if (cell.diff) differences(text, cell.diff);
  else if (cell.text) marked(text, cell.text, hit);
  else text.hidden = true;
  if (cell.says || !cell.text) {
    const says = make("div", "ck-says", el);
    says.textContent = cell.says || (SILENT[cell.status] ?? STATUS[cell.status]);
  }
  const foot = make("div", "ck-cellfoot", el);
  const mark = make("span", "ck-mark", foot);
  mark.title = STATUS[cell.status];
  mark.ariaLabel = mark.title;
  mark.role = "img";
  const chips = make("span", "ck-chips", foot);
  for (const each of cell.scores ?? []) chip(chips, each);
  if (cell.diff?.every(([kind]) => kind === "same")) make("span", "ck-quiet", chips).textContent = "the same";
  const [tokens, cost, time] = cell.took ?? [];
  const took = make("span", "ck-took", foot);
  if (cell.cut) {
    const cut = make("span", "ck-cut", took);
    cut.textContent = cell.cut;
    cut.title = "Cut off at the token limit";
  }
  if (tokens) make("span", "", took).textContent = `${tokens} tok`;
  if (cost) make("span", "ck-cost", took).textContent = cost;
  if (time) make("span", "ck-time", took).textContent = time;
};
