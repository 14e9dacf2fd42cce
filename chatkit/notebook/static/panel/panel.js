// The panel: a whole conversation, and what writes to it. It decides nothing about the chat: it
// shows what the kernel tells, and tells the kernel what was clicked.
const EXPORTS = [".md", ".html", ".json", ".jsonl", ".ipynb"];

// One view of the panel.
class Panel {
  constructor(kernel, el) {
    this.kernel = kernel;
    this.root = make("section", "chatkit-panel", el);
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take keys for commands
    this.head();
    this.search = new Search(this.root, this);
    const body = make("div", "ck-body", this.root);
    this.history = new History(body, this);
    this.toast = make("div", "ck-toast", body);
    this.toast.hidden = true;
    this.drop = make("div", "ck-drop", this.root);
    this.drop.textContent = "Drop files to attach them";
    this.drop.hidden = true;
    this.composer = new Composer(this.root, this);
    this.said = make("span", "ck-unseen", this.root);
    this.said.role = "status";
    this.listen();
    this.load();
  }

  head() {
    const head = make("header", "ck-head", this.root);
    const chats = button(head, "ck-icon", "Chats", "chats", () => this.openChats(chats));
    const named = make("div", "ck-title", head);
    this.title = make("h2", "", named);
    this.title.title = "Double click to rename";
    this.title.ondblclick = () => this.rename();
    this.model = button(head, "ck-model", "", null, () => this.openModels());
    const search = button(head, "ck-icon ck-wide", "Search", "search", () => this.search.open());
    this.more = button(head, "ck-icon", "More", "more", () => this.openMenu());
    for (const it of [chats, this.model, this.more]) it.ariaHasPopup = "true";
  }

  listen() {
    const { root } = this;
    for (const kind of ["keyup", "keypress", "paste", "copy", "cut"])
      root.addEventListener(kind, (event) => event.stopPropagation());
    root.addEventListener("contextmenu", (event) => {
      if (event.target.matches("input, textarea, select")) event.stopPropagation();
    });
    root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape" && !event.isComposing) this.escape(event);
    });
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
      root.addEventListener(kind, (event) => this.dragged(event));
  }

  escape(event) {
    event.preventDefault();
    if (this.layer) this.layer.close();
    else if (this.composer.edited) this.composer.leave();
    else if (this.kernel.forget("ask_edit")) return; // what is to be edited has not come yet
    else if (!this.search.close() && !this.composer.stop.hidden) this.click("stop");
  }

  dragged(event) {
    const { type, dataTransfer, relatedTarget } = event;
    if (!dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.drop.hidden = type === "drop" || (type === "dragleave" && !this.root.contains(relatedTarget));
    if (type === "drop") this.composer.attach([...dataTransfer.files]);
  }

  click(what, more, buffers) {
    this.kernel.click(this, what, more, buffers);
  }

  load() {
    const { chat, kernel } = { chat: this.kernel.chat, kernel: this.kernel };
    this.root.style.height = chat.height ?? "600px";
    this.history.order(Object.fromEntries(kernel.known));
    this.follow({ chat, files: 1, notice: 1, chats: 1, found: 1, items: {} });
  }

  follow(news) {
    const { chat } = this.kernel;
    this.history.follow(news);
    if (news.chat) {
      this.title.textContent = chat.title;
      this.root.ariaLabel = `Chat: ${chat.title}`;
      this.model.replaceChildren(chat.model || "Choose a model", icon("down"));
      this.model.ariaLabel = `Model: ${chat.model || "none"}`;
      this.model.title = chat.model ?? "";
      this.history.counts();
      if (this.composer.draftKey !== chat.draftKey) this.composer.restore(); // another chat is shown
      this.composer.state();
    }
    if ("files" in news) this.composer.chips();
    if ("notice" in news) this.notice();
    if ("found" in news) this.search.show();
    if ("chats" in news) this.chats?.show();
  }

  // -- what the kernel answers to a click --

  copied({ id, text }) {
    copy(text);
    this.say("Copied");
    const it = this.history.shown.get(id)?.el.querySelector("[data-what=copy]");
    if (it) copied(it);
  }

  download({ download, type }, [buffer]) {
    const href = URL.createObjectURL(new Blob([buffer], { type }));
    Object.assign(document.createElement("a"), { href, download }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }

  reveal({ reveal }) {
    this.history.reveal(reveal);
  }

  edit({ edit, text, files }) {
    this.composer.edit(edit, text, files);
  }

  refused({ refused }) {
    this.composer.refused(refused);
  }

  sent() {
    this.composer.sent();
    this.history.toEnd();
  }

  // -- what opens --

  open(...about) {
    const before = this.layer;
    before?.close(false);
    const opener = about.at(-1);
    if (before?.opener === opener) return null;
    return (this.layer = new Layer(this, ...about));
  }

  openModels() {
    const layer = this.open("ck-popup", "dialog", "Choose a model", this.model);
    if (layer)
      models(layer, this.kernel.chat, (model) => {
        layer.close();
        this.click("set", { model });
      });
  }

  openSettings() {
    const layer = this.open("ck-drawer ck-right", "dialog", "System prompt and options", this.more);
    if (layer) settings(layer.drawer("System prompt and options"), this.kernel.chat, (changed) => this.click("set", changed));
  }

  openChats(opener) {
    const layer = this.open("ck-drawer", "dialog", "Chats", opener);
    if (!layer) return;
    this.click("chats");
    this.chats = new Chats(layer.drawer("Chats"), this);
  }

  openMenu() {
    const layer = this.open("ck-popup ck-menu", "menu", "More", this.more);
    if (!layer) return;
    const entry = (parent, label, act) => {
      const it = button(parent, "", label, null, () => {
        layer.close();
        act();
      });
      it.role = "menuitem";
      return it;
    };
    entry(layer.el, "System prompt and options", () => this.openSettings());
    entry(layer.el, "Search", () => this.search.open());
    entry(layer.el, "Rename", () => this.rename());
    const row = make("div", "ck-exports", layer.el);
    make("span", "", row).textContent = "Export";
    for (const suffix of EXPORTS)
      entry(row, suffix, () => this.click("export", { suffix })).ariaLabel = `Export as ${suffix}`;
    entry(layer.el, "Clear the conversation", () => this.click("clear"));
    rove(layer.el);
    layer.el.querySelector("button").focus();
  }

  rename() {
    const { id, title } = this.kernel.chat;
    rewrite(this.title, title, "Title", (title) => this.click("rename", { chat: id, title }));
  }

  notice() {
    const { notice } = this.kernel;
    clearTimeout(this.fading);
    this.toast.replaceChildren();
    this.toast.hidden = !notice;
    if (!notice) return;
    const hide = () => (this.toast.hidden = true);
    this.toast.role = notice.kind === "error" ? "alert" : "status";
    this.toast.classList.toggle("ck-wrong", notice.kind === "error");
    make("span", "", this.toast).textContent = notice.text;
    if (notice.undo) button(this.toast, "ck-plain", "Undo", null, () => hide(this.click("undo", { notice: notice.id })));
    button(this.toast, "ck-icon", "Dismiss", "close", hide);
    const fade = () => (this.toast.matches(":hover, :focus-within") ? (this.fading = setTimeout(fade, 3000)) : hide());
    if (notice.kind !== "error") this.fading = setTimeout(fade, 12_000);
  }

  // For those who hear the page.
  say(words) {
    this.said.textContent = "";
    setTimeout(() => (this.said.textContent = words));
  }

  end() {
    this.layer?.close(false);
    clearTimeout(this.fading);
    this.history.end();
  }
}

export default () => {
  let kernel;
  return {
    initialize({ model }) {
      kernel = new Kernel(model);
    },
    render({ el }) {
      const panel = new Panel(kernel, el);
      kernel.views.add(panel);
      return () => {
        kernel.views.delete(panel);
        panel.end();
      };
    },
  };
};
