/** Puts the workspace into `<div id="workspace" data-image="12">`. */
import { speakAs, t } from "./locale/locale";
import "./ui/workspace.css";
import { PACE, type Pace } from "./editor/live_updates";
import { open } from "./editor/opening";
import { adjudicate, type Adjudication } from "./adjudication/page";
import { compare, type Comparison } from "./compare/page";
import { openGallery, type Gallery } from "./gallery/page";
import { apiBase } from "./sync/addresses";
import { Api, ApiError } from "./sync/api";
import { TOOL_SET } from "./tools";
import { Shell } from "./ui/shell";
import { pointAtCells, type FieldPage } from "./verify/fields";
import { verify, type Verification } from "./verify/page";

declare global {
  interface Window {
    /** Read-only, for tests: what the page knows, never a way to change it. */
    boxwise?: ReturnType<Shell["probes"]>;
    /** A test sets it before the page loads, so that it need not wait for the recorder's next batch. */
    boxwisePace?: Partial<Pace>;
    boxwiseAdjudication?: ReturnType<Adjudication["probes"]>;
    boxwiseGallery?: ReturnType<Gallery["probes"]>;
    boxwiseFields?: ReturnType<FieldPage["probes"]>;
    boxwiseVerification?: ReturnType<Verification["probes"]>;
    boxwiseComparison?: ReturnType<Comparison["probes"]>;
  }
}

async function mount(root: HTMLElement): Promise<void> {
  root.classList.add("bw");
  const image = Number(root.dataset.image);
  try {
    const words = speakAs(document.documentElement.lang);
    const opening = open(new Api(apiBase()), image, TOOL_SET, { ...PACE, ...window.boxwisePace });
    await Promise.allSettled([words, opening]);
    const editor = await opening;
    const shell = new Shell(root, editor); // the tissue is on its way while the cells are
    await editor.loaded;
    shell.begin();
    window.boxwise = shell.probes();
    editor.start();
    const place = /^#at=(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(location.hash); // as lists of places link here
    if (place) editor.view.showPlace(Number(place[1]), Number(place[2]));
    const comments = /^#comment(?:s|-(\d+))$/.exec(location.hash); // as mentions link here
    if (comments) await shell.openComments(Number(comments[1] ?? 0));
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
  for (const select of document.querySelectorAll<HTMLSelectElement>("[data-goes]"))
    select.addEventListener("change", () => location.assign(select.value));
  await mountPage(root, async (api) => {
    const made = await compare(root, api);
    await made.ready;
    window.boxwiseComparison = made.probes();
  });
}

/** The page on which a third person decides where readings differ. */
async function mountAdjudication(root: HTMLElement): Promise<void> {
  await mountPage(root, async (api) => {
    const made = await adjudicate(root, api);
    await made.ready;
    window.boxwiseAdjudication = made.probes();
  });
}

/** The page of many cells at a glance. */
async function mountGallery(root: HTMLElement): Promise<void> {
  await mountPage(root, async (api) => {
    const made = await openGallery(root, api);
    window.boxwiseGallery = made.probes();
  });
}

/** The page on which somebody judges the sample of a lot. */
async function mountVerification(root: HTMLElement): Promise<void> {
  await mountPage(root, async (api) => {
    const made = await verify(root, api);
    window.boxwiseVerification = made.probes();
  });
}

/** The part of that page in which somebody points at every cell of random fields. */
async function mountFields(root: HTMLElement): Promise<void> {
  await mountPage(root, async (api) => {
    const made = await pointAtCells(root, api);
    window.boxwiseFields = made.probes();
  });
}

/** Show a page in its language; what fails is a sentence in its status. */
async function mountPage(root: HTMLElement, show: (api: Api) => Promise<void>): Promise<void> {
  const status = root.querySelector("[data-status]");
  try {
    await speakAs(document.documentElement.lang);
    await show(new Api(apiBase()));
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
const adjudication = document.getElementById("adjudication");
if (adjudication) void mountAdjudication(adjudication);
const verification = document.getElementById("verification");
if (verification) void mountVerification(verification);
const missedCells = document.getElementById("missed-cells");
if (missedCells) void mountFields(missedCells);
const gallery = document.getElementById("gallery");
if (gallery) void mountGallery(gallery);
