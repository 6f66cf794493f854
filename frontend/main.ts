/** Puts the workspace into `<div id="workspace" data-image="12" data-api="/api/v1/">`. */
import { speakAs, t } from "./locale/locale";
import "./ui/workspace.css";
import { PACE, type Pace } from "./editor/live_updates";
import { open } from "./editor/opening";
import { compare, type Comparison } from "./compare/page";
import { Api, ApiError } from "./sync/api";
import { TOOL_SET } from "./tools";
import { Shell } from "./ui/shell";

declare global {
  interface Window {
    /** Read-only, for tests: what the page knows, never a way to change it. */
    boxwise?: ReturnType<Shell["probes"]>;
    /** A test sets it before the page loads, so that it need not wait for the recorder's next batch. */
    boxwisePace?: Partial<Pace>;
    boxwiseComparison?: ReturnType<Comparison["probes"]>;
  }
}

async function mount(root: HTMLElement): Promise<void> {
  root.classList.add("bw");
  const image = Number(root.dataset.image);
  const base = root.dataset.api ?? "/api/v1/";
  try {
    const words = speakAs(document.documentElement.lang);
    const opening = open(new Api(base), image, TOOL_SET, { ...PACE, ...window.boxwisePace });
    await Promise.allSettled([words, opening]);
    const editor = await opening;
    const shell = new Shell(root, editor); // the tissue is on its way while the cells are
    await editor.loaded;
    shell.begin();
    window.boxwise = shell.probes();
    editor.start();
  } catch (error) {
    const text = document.createElement("p");
    text.className = "bw-fault";
    text.setAttribute("role", "alert");
    text.textContent = sentence(error);
    root.replaceChildren(text);
    throw error;
  }
}

/** The page that shows two rounds beside each other; its controls are the page's own. */
async function mountComparison(root: HTMLElement): Promise<void> {
  const status = root.querySelector("[data-status]");
  for (const select of document.querySelectorAll<HTMLSelectElement>("[data-goes]"))
    select.addEventListener("change", () => location.assign(select.value));
  try {
    await speakAs(document.documentElement.lang);
    const made = await compare(root, new Api(root.dataset.api ?? "/api/v1/"));
    await made.ready;
    window.boxwiseComparison = made.probes();
  } catch (error) {
    status?.setAttribute("role", "alert");
    status?.classList.add("error");
    if (status) status.textContent = sentence(error);
    throw error;
  }
}

function sentence(error: unknown): string {
  if (error instanceof ApiError && error.status === 401)
    return t("Your session has ended. Sign in again and reload this page.");
  if (error instanceof ApiError && error.status === 404)
    return t("This image does not exist, or you are not a member of its project.");
  if (error instanceof ApiError)
    return t("The server did not hand out this image: {detail}", { detail: error.detail });
  return t("This image could not be opened: {detail}", {
    detail: error instanceof Error ? error.message : String(error),
  });
}

const root = document.getElementById("workspace");
if (root) void mount(root);
const comparison = document.getElementById("overlay");
if (comparison) void mountComparison(comparison);
