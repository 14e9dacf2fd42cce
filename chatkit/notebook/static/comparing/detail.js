// One run in full, beside the table.
const DOES = {
  copy: ["Copy", "copy"],
  again: ["Ask again", "regenerate"],
  chat: ["Open as chat", "chats"],
};

class Detail {
  constructor(parent, view) {
    this.view = view;
    this.unfolded = new Set();
    this.el = make("aside", "ck-detail", parent);
    this.el.ariaLabel = "The answer in full";
    this.el.hidden = true;
  }

  get told() {
    return this.view.kernel.detail;
  }

  load() {
    clearInterval(this.answer?.timer);
    const held = this.el.contains(focused(this.el)) && focused(this.el).dataset.what;
    const { told, el } = this;
    el.replaceChildren();
    el.hidden = !told;
    this.answer = null;
    this.view.root.classList.toggle("ck-reading", !!told);
    if (!told) return;
    const head = make("div", "ck-row ck-detailhead", el);
    make("h3", "", head).textContent = told.title.join(" · ");
    const close = button(head, "ck-icon", "Close (Esc)", "close", () => this.view.close());
    close.dataset.what = "close";
    const inside = (this.inside = make("div", "ck-inside", el));
    inside.tabIndex = 0;
    inside.role = "region";
    inside.ariaLabel = told.title.join(", ");
    const about = make("dl", "ck-facts", inside);
    for (const [name, value] of told.about) {
      make("dt", "", about).textContent = name;
      make("dd", "", about).textContent = value;
    }
    this.messages(this.folded("asked"), "As asked", told.asked);
    this.scores = make("div", "ck-scores", inside);
    this.answer = new Answer(inside, this.unfolded, () => {});
    this.differs = make("div", "ck-differs", inside);
    this.messages(this.folded("older"), `Earlier answers (${told.older.length})`, told.older);
    this.does = make("div", "ck-does", el);
    this.does.role = "toolbar";
    this.does.ariaLabel = "Actions";
    this.answer.paint(told.sections, told.foot);
    this.foot();
    if (held) (el.querySelector(`[data-what="${held}"]`) ?? close).focus();
    if (this.view.focusing) inside.focus({ preventScroll: true });
    this.view.focusing = false;
  }

  folded(name) {
    const el = make("details", "ck-asked", this.inside);
    el.open = this.unfolded.has(name);
    el.ontoggle = () => this.unfolded[el.open ? "add" : "delete"](name);
    return el;
  }

  messages(el, title, messages) {
    el.hidden = !messages.length;
    make("summary", "", el).textContent = title;
    for (const [line, html] of messages) {
      make("div", "ck-role", el).textContent = line;
      make("div", "chatkit", el).innerHTML = html; // made safe by the kernel, as all of these
    }
  }

  follow({ detail, changes = [], foot }) {
    if (detail !== undefined) return this.load();
    if (!this.told) return;
    for (const change of changes) this.answer.change(this.told.sections, change);
    if (foot) {
      this.answer.foot(foot);
      this.foot();
    }
  }

  foot() {
    const { scores, differs, does } = this.told.foot;
    this.scores.replaceChildren();
    for (const [name, level, value, reason, error, cost] of scores) {
      const line = make("div", "ck-score", this.scores);
      chip(line, [name, level, value]);
      const why = make("span", error ? "ck-wrong" : "", line);
      why.textContent = [error || reason, cost].filter(Boolean).join(" · ");
    }
    this.differs.hidden = !differs.length;
    if (differs.length) {
      differences(this.differs, differs);
      const title = document.createElement("h4");
      title.textContent = "What differs";
      this.differs.prepend(title);
    }
    if (this.done === `${this.told.run} ${does}` && this.does.children.length) return;
    this.done = `${this.told.run} ${does}`;
    this.offer(does);
  }

  act(what) {
    const { run } = this.told;
    if (what === "chat") this.view.openChat(run);
    else this.view.click(what, { run });
  }

  offer(does) {
    const held = this.does.contains(focused(this.el)) && focused(this.el).dataset.what;
    this.does.replaceChildren();
    for (const what of does) {
      const [label, shape] = DOES[what];
      const it = button(this.does, "", label, shape, () => this.act(what));
      it.dataset.what = what;
      it.title = "";
      it.append(label);
    }
    rove(this.does);
    if (held) (this.does.querySelector(`[data-what="${held}"]`) ?? this.inside).focus();
  }

  copied(run) {
    const it = this.told?.run === run && this.does.querySelector("[data-what=copy]");
    if (!it) return;
    it.lastChild.textContent = "Copied";
    setTimeout(() => (it.lastChild.textContent = "Copy"), 1500);
  }

  end() {
    clearInterval(this.answer?.timer);
  }
}
