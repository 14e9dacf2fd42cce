// The models to choose from, or any other by its name.
const models = (layer, { models = [], model }, choose) => {
  const id = `ck-${Math.random().toString(36).slice(2)}`;
  const input = field("input", "ck-field", layer.el, "Model", { placeholder: "Any model by its name", role: "combobox" });
  const list = make("div", "ck-options", layer.el);
  Object.assign(list, { role: "listbox", id, ariaLabel: "Models" });
  input.setAttribute("aria-controls", id);
  let at = -1;
  const mark = () => {
    [...list.children].forEach((option, index) => (option.ariaSelected = index === at));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[at]?.id ?? "");
  };
  const fill = () => {
    const query = input.value.trim().toLowerCase();
    const found = models.filter((name) => name.toLowerCase().includes(query));
    list.replaceChildren();
    for (const [index, name] of found.entries()) {
      const option = make("div", name === model ? "ck-current" : "", list);
      Object.assign(option, { role: "option", id: `${id}-${index}`, textContent: name });
      option.onclick = () => choose(name);
    }
    at = query ? -1 : found.indexOf(model);
    mark();
  };
  input.oninput = fill;
  input.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.isComposing) return;
    if (step && list.children.length) {
      event.preventDefault();
      at = (Math.max(at, step < 0 ? 0 : -1) + step + list.children.length) % list.children.length;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault(); // the button that gets the focus back would take it for a click
      const name = list.children[at]?.textContent ?? input.value.trim();
      if (name) choose(name);
    }
  };
  fill();
  input.focus();
};

// The system prompt and the main options; each holds as soon as it is left.
const settings = (layer, { system, options = {}, choices = {} }, set) => {
  const form = make("div", "ck-form", layer.el);
  const row = (label, tag, more) => {
    const it = make("label", "", form);
    make("span", "", it).textContent = label;
    return Object.assign(make(tag, "ck-field", it), more);
  };
  const prompt = row("System prompt", "textarea", { rows: 5, value: system ?? "" });
  prompt.onchange = () => set({ system: prompt.value });
  for (const [name, { kind, values = [], min, max, step }] of Object.entries(choices)) {
    const label = name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
    const value = options[name] ?? "";
    const listed = kind === "choice";
    const it = row(label, listed ? "select" : "input", listed ? {} : { type: kind, min, max, step: step ?? "any", placeholder: "Default", value });
    if (listed) for (const each of ["", ...values]) it.add(new Option(each || "Default", each, false, each === value));
    it.onchange = () => {
      const given = it.value === "" ? null : kind === "number" ? Number(it.value) : it.value;
      if (it.checkValidity()) set({ options: { [name]: given } });
      else it.reportValidity();
    };
  }
  make("p", "ck-quiet", form).textContent = "For what is asked from this panel; the cells of the notebook have their own.";
  prompt.focus();
};

// The stored chats: to open, name and delete.
class Chats {
  constructor(layer, panel) {
    this.panel = panel;
    this.layer = layer;
    const row = make("div", "ck-row", layer.el);
    this.filter = field("input", "ck-field", row, "Filter chats", { placeholder: "Filter" });
    this.filter.oninput = () => this.show();
    const add = button(row, "ck-named", "New chat", "plus", () =>
      rewrite(add, "", "Name of the new chat", (title) => this.open("new_chat", { title })),
    );
    add.append("New");
    this.list = make("ul", "ck-chats", layer.el);
    this.show();
    this.filter.focus();
  }

  // What has not changed stays as it is: a line made anew under a button that is held down would
  // swallow the click.
  show() {
    const { chats } = this.panel.kernel;
    if (this.list.querySelector("input, .ck-sure")) return; // something is being answered there
    const query = this.filter.value.trim().toLowerCase();
    const found = chats?.filter(({ title, model }) => `${title} ${model}`.toLowerCase().includes(query));
    const held = focused(this.list)?.closest?.("li")?.dataset.id;
    const before = new Map([...this.list.children].map((line) => [line.told, line]));
    const wanted = found?.length ? found : [found ? "None" : "Looking …"];
    const lines = wanted.map((told) => before.get(JSON.stringify(told)) ?? this.line(told));
    for (const line of before.values()) if (!lines.includes(line)) line.remove();
    for (const [at, line] of lines.entries())
      if (this.list.children[at] !== line) this.list.insertBefore(line, this.list.children[at]);
    if (held && !focused(this.list)?.closest?.("li")) [...this.list.children].find(({ dataset }) => dataset.id === held)?.firstChild.focus();
  }

  line(told) {
    const line = document.createElement("li");
    line.told = JSON.stringify(told);
    if (typeof told === "string") Object.assign(line, { className: "ck-quiet", textContent: told });
    else this.fill(line, told);
    return line;
  }

  fill(line, { id, title, model, when, exact, current, writing }) {
    line.dataset.id = id;
    const open = button(line, "ck-chat", "", null, () => this.open("open", { chat: id }));
    open.ariaCurrent = !!current;
    make("span", writing ? "ck-writing" : "", open).textContent = title;
    make("span", "ck-quiet", open).textContent = [model, when].filter(Boolean).join(" · ");
    open.title = exact ?? "";
    button(line, "ck-icon", `Rename ${title}`, "edit", () =>
      rewrite(open, title, "Title", (title) => this.panel.click("rename", { chat: id, title })),
    );
    button(line, "ck-icon", `Delete ${title}`, "delete", () => this.sure(line, id, title));
  }

  open(what, which) {
    this.panel.click(what, which);
    this.layer.close(false); // it would lie over what was opened
    this.panel.composer.text.focus();
  }

  sure(line, id, title) {
    const over = () => {
      line.classList.remove("ck-sure");
      this.show();
      this.filter.focus();
    };
    line.className = "ck-sure";
    line.told = ""; // what stands there is another line
    line.replaceChildren();
    make("span", "", line).textContent = `Delete “${title}” for good?`;
    button(line, "ck-named", "Delete", null, () => {
      this.panel.click("delete_chat", { chat: id });
      over();
    });
    button(line, "ck-plain", "Keep", null, over).focus();
  }
}
