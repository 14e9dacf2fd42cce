// What can be chosen in the table: which answers are shown, in which order, and what is compared.
const TESTS = [
  ["right", "right"],
  ["wrong", "wrong"],
  ["below", "below"],
  ["least", "at least"],
  ["failed", "could not be scored"],
];
const STATUSES = [["", "Any"], ["running", "Not there yet"], ...Object.entries(STATUS).filter(([name]) => !["queued", "streaming"].includes(name))];

const choice = (parent, label, options, value, set) => {
  const row = make("label", "ck-choice", parent);
  make("span", "", row).textContent = label;
  const it = make("select", "ck-field", row);
  for (const [each, words] of options) it.add(new Option(words, each, false, `${each}` === `${value}`));
  it.onchange = () => set(it.value);
  return it;
};

const named = (names, every) => [["", every], ...names.map((name) => [name, name])];
const counted = (names, every) => [[-1, every], ...names.map((name, at) => [at, name])];

const filters = (layer, view) => {
  const { scores, prompts, columns, samples, side } = view.kernel.names;
  const { wanted } = view;
  const set = (name, make = String) => (value) => view.arrange({ [name]: make(value) });
  const el = make("div", "ck-choices", layer.el);
  choice(el, "Status", STATUSES, wanted.status, set("status"));
  if (scores.length) {
    choice(el, "Score", named(scores, "Any"), wanted.score, (score) => {
      view.arrange({ score, test: score && (wanted.test || "wrong") });
      layer.anew();
    });
    if (wanted.score) {
      choice(el, "is", TESTS, wanted.test, (test) => {
        view.arrange({ test });
        layer.anew();
      });
      if (["below", "least"].includes(wanted.test)) {
        const row = make("label", "ck-choice", el);
        make("span", "", row).textContent = "the number";
        const number = make("input", "ck-field", row);
        Object.assign(number, { type: "number", step: "any", value: wanted.number });
        number.onchange = () => number.value !== "" && view.arrange({ number: Number(number.value) });
      }
    }
  }
  if (prompts.length > 1) choice(el, "Prompt", named(prompts, "All"), wanted.prompt, set("prompt"));
  if (columns.length > 1) choice(el, side === "prompt" ? "Prompt" : "Model", counted(columns, "All"), wanted.column, set("column", Number));
  if (samples > 1) {
    const numbers = Array.from({ length: samples }, (_, at) => [at + 1, `${at + 1}`]);
    choice(el, "Sample", [[0, "All"], ...numbers], wanted.sample, set("sample", Number));
  }
  button(el, "ck-named", "Show everything", null, () => {
    view.arrange(EVERYTHING);
    layer.close();
  });
};
const EVERYTHING = { status: "", score: "", test: "", number: 0, prompt: "", column: -1, sample: 0, text: "" };

// Whether a row has it once in each column: an answer's own, and not what was asked.
const isOfColumns = (by) => by && by !== "prompt" && !by.startsWith("case:");

const sorting = (layer, view) => {
  const { scores, prompts, columns, fields } = view.kernel.names;
  const { wanted } = view;
  const el = make("div", "ck-choices", layer.el);
  const measures = [
    ["", "As asked"],
    ...(prompts.length > 1 ? [["prompt", "Prompt"]] : []),
    ...fields.map((name) => [`case:${name}`, name]),
    ...scores.map((name) => [`score:${name}`, name]),
    ["cost", "Cost"],
    ["tokens", "Tokens"],
    ["seconds", "Seconds"],
  ];
  choice(el, "Sort by", measures, wanted.by, (by) => {
    view.arrange(isOfColumns(by) ? { by } : { by, of: -1 });
    layer.anew();
  });
  if (columns.length > 1 && isOfColumns(wanted.by)) choice(el, "of", counted(columns, "the mean of the row"), wanted.of, (of) => view.arrange({ of: Number(of) }));
  choice(el, "Order", [["", "The lowest first"], ["down", "The highest first"]], wanted.down ? "down" : "", (down) => view.arrange({ down: !!down }));
};

const comparing = (layer, view) => {
  const { prompts, columns, side } = view.kernel.names;
  const { wanted } = view;
  const el = make("div", "ck-choices", layer.el);
  const sides = { columns: columns.map((name, at) => [`${at}`, name]), prompts: prompts.map((name) => [name, name]) };
  const kinds = [["", "Nothing"], ["columns", `Two ${side}s`], ["prompts", "Two prompts"]].filter(([kind]) => !kind || sides[kind].length > 1);
  choice(el, "Between", kinds, wanted.differ, (differ) => {
    const [[one], [other]] = differ ? sides[differ] : [[""], [""]];
    view.arrange({ differ, one, other });
    layer.anew();
  });
  if (!wanted.differ) return;
  choice(el, "A", sides[wanted.differ], wanted.one, (one) => view.arrange({ one }));
  choice(el, "B", sides[wanted.differ], wanted.other, (other) => view.arrange({ other }));
  make("p", "ck-quiet", el).textContent = "In B, what A does not have is underlined, and what only A has is struck out.";
};
