// The view of a comparison. It decides nothing: it shows what the kernel tells, and tells the
// kernel what was clicked.
class View {
  constructor(kernel, el) {
    this.kernel = kernel;
    this.tab = "table";
    this.root = make("section", "chatkit-panel chatkit-runs", el);
    this.root.ariaLabel = "Comparison";
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take keys for commands
    this.head = new Head(this.root, this);
    this.bar = new Bar(this.root, this);
    const body = make("div", "ck-body", this.root);
    this.table = new Grid(body, this);
    this.detail = new Detail(body, this);
    this.page = make("div", "ck-page", body);
    this.page.role = "tabpanel";
    this.page.tabIndex = 0;
    this.toast = make("div", "ck-toast", body);
    this.toast.role = "alert";
    this.toast.hidden = true;
    this.strip();
    this.listen();
    this.load();
  }

  strip() {
    const strip = make("footer", "ck-strip", this.root);
    this.note = make("span", "ck-note", strip);
    this.note.role = "status";
    this.chat = make("span", "ck-chatline", strip);
    this.stale = button(strip, "ck-plain", "Arrange again", null, () => this.arrange({}));
    this.stale.title = "Answers have come since: filter and sort with these, too";
    this.shown = make("span", "ck-shown ck-quiet", strip);
  }

  listen() {
    const { root } = this;
    for (const kind of ["keyup", "keypress", "paste", "copy", "cut"])
      root.addEventListener(kind, (event) => event.stopPropagation());
    root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Escape" || event.isComposing || !(this.layer || this.kernel.detail)) return;
      event.preventDefault();
      if (this.layer) this.layer.close();
      else this.close();
    });
  }

  click(what, more) {
    this.kernel.click(this, what, more);
  }

  // -- what the kernel tells --

  load() {
    const { grid, names } = this.kernel;
    this.settled();
    this.head.load();
    this.bar.load();
    this.root.style.setProperty("--ck-of", grid.of);
    this.root.classList.toggle("ck-scored", names.scores.length > 0);
    this.table.load();
    this.detail.load();
    this.follow({ page: 1, chat: 1, notice: 1 });
    this.hint();
  }

  follow(news) {
    if (news.anew && --this.choosing <= 0) this.settled();
    if (news.head) this.head.load();
    if (news.grid) this.bar.load();
    this.table.follow(news);
    this.detail.follow(news);
    if ("page" in news) this.turned();
    if ("chat" in news) this.chatted();
    if ("notice" in news) this.notice();
    if (news.head || news.grid) this.hint();
  }

  hint() {
    const { gone, late, head, grid } = this.kernel;
    const busy = late.size ? "The kernel is busy: this is done when the cell that runs ends." : "";
    const words = gone ? GONE : busy || head.notes.join(" · ");
    if (this.note.textContent !== words) this.note.textContent = words;
    this.note.classList.toggle("ck-wrong", !!gone);
    this.stale.hidden = !grid.stale || !!gone;
    const rows = `${grid.rows.toLocaleString()} row${grid.rows === 1 ? "" : "s"}`;
    this.shown.textContent = grid.rows === grid.of ? rows : `${grid.rows.toLocaleString()} of ${grid.of.toLocaleString()} rows`;
  }

  notice() {
    const { notice } = this.kernel;
    this.toast.replaceChildren();
    this.toast.hidden = !notice;
    this.toast.classList.toggle("ck-wrong", !!notice);
    if (!notice) return;
    make("span", "", this.toast).textContent = notice.text;
    button(this.toast, "ck-icon", "Dismiss", "close", () => (this.toast.hidden = true));
  }

  copied({ copied: run, text }) {
    copy(text);
    this.detail.copied(run);
  }

  settled() {
    this.choosing = 0;
    this.chosen = {};
  }

  // -- what is clicked --

  // What is wanted, with what was chosen since the kernel last told.
  get wanted() {
    return { ...this.kernel.grid.wanted, ...this.chosen };
  }

  arrange(changed) {
    this.chosen = { ...this.chosen, ...changed };
    this.choosing = (this.choosing) + 1;
    this.click("arrange", { wanted: this.wanted });
  }

  // Only what has this status; everything, where that is so already.
  only(status) {
    const { wanted } = this;
    this.turn("table");
    this.arrange({ status: wanted.status === status ? "" : status });
  }

  sortBy(column) {
    const { wanted } = this;
    const { scores } = this.kernel.names;
    const by = isOfColumns(wanted.by) ? wanted.by : scores.length ? `score:${scores[0]}` : "seconds";
    const again = wanted.of === column && wanted.by === by;
    this.arrange({ by, of: column, down: again ? !wanted.down : false });
  }

  open(run, focus = false) {
    this.focusing = focus;
    if (this.kernel.detail?.run === run) return focus && this.detail.inside.focus();
    this.click("open", { run });
  }

  openChat(run) {
    this.opening = true;
    this.click("chat", { run });
  }

  close() {
    const inside = this.detail.el.contains(focused(this.root));
    this.click("close");
    if (inside) this.table.focus();
  }

  openLayer(...about) {
    const before = this.layer;
    before?.close(false);
    const opener = about.at(-1);
    return before?.opener === opener ? null : (this.layer = new Layer(this, ...about));
  }

  // -- the pages beside the table --

  turn(tab) {
    if (tab === this.tab) return;
    this.tab = tab;
    if (tab === "table") this.click("leave_page");
    else this.click("page", { page: tab });
    this.bar.load();
    this.turned();
  }

  turned() {
    const { page, detail } = this.kernel;
    const isTable = this.tab === "table";
    this.table.el.hidden = !isTable;
    this.detail.el.hidden = !isTable || !detail;
    this.page.hidden = isTable;
    this.page.ariaLabel = TABS[this.tab];
    if (isTable) return this.table.draw();
    if (page?.page !== this.tab) return (this.page.textContent = "…");
    if (this.tab !== "plot") return (this.page.innerHTML = page.html);
    if (!this.choices?.isConnected) this.plot();
    this.drawing.innerHTML = page.html; // as the comparison draws it, every name in it escaped
  }

  plot() {
    const { scores } = this.kernel.names;
    this.page.replaceChildren();
    this.choices = make("div", "ck-row ck-plotted", this.page);
    const told = { page: "plot" };
    const show = (name) => (value) => this.click("page", Object.assign(told, { [name]: value }));
    if (scores.length > 1) choice(this.choices, "Score", scores.map((name) => [name, name]), scores[0], show("score"));
    if (scores.length) choice(this.choices, "against", [["", "…"], ["cost", "cost"], ["seconds", "seconds"]].slice(1), this.kernel.page.against, show("against"));
    this.drawing = make("div", "ck-drawing", this.page);
  }

  // -- the chat below --

  chatted() {
    const { chat, gone } = this.kernel;
    this.chat.replaceChildren();
    this.chat.hidden = !chat || !!gone;
    if (!chat) return;
    make("span", "", this.chat).textContent = `Below: ${chat.title}`;
    this.meet();
    button(this.chat, "ck-plain", "Close chat", null, () => this.click("close_chat"));
  }

  // Bring the chat into view that was opened here, once it is in the page.
  meet(tries = 300) {
    if (!this.opening) return;
    const below = this.root.parentNode?.nextElementSibling?.querySelector(".chatkit-panel");
    if (below || !tries) this.opening = false;
    if (below) below.scrollIntoView({ block: "nearest", behavior: "smooth" });
    else if (tries) setTimeout(() => this.meet(tries - 1), 100);
  }

  end() {
    this.layer?.close(false);
    this.table.end();
    this.detail.end();
  }
}

export default () => {
  let kernel;
  return {
    initialize({ model }) {
      kernel = new Source(model);
    },
    render({ el }) {
      const view = new View(kernel, el);
      kernel.views.add(view);
      return () => {
        kernel.views.delete(view);
        view.end();
      };
    },
  };
};
