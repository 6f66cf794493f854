/** The right side: the tabs, and below them the cards of what is going on. Cards come and go at the bottom, so that
 *  nothing that somebody reads or points at moves. */
import { t } from "../locale/locale";
import { ConflictCard, EditPanel } from "./cards";
import { CellCard } from "./cell_card";
import { CellsTab } from "./cells_tab";
import { ChannelsTab } from "./channels_tab";
import { CommentsTab } from "./comments_tab";
import { HistoryTab } from "./history_tab";
import { MasksTab } from "./masks_tab";
import type { Tab, Ui } from "./parts";
import { ProposingCard } from "./proposing";
import { ReviewTab } from "./review_tab";
import { ManyCard, ToolCard } from "./tool_cards";
import { ViewTab } from "./view_tab";
import { WorkCard } from "./work_card";

/** A slide with nothing but a colour profile has no channels to choose. */
const channelsName = ({ channels }: Ui): string => {
  if (channels?.planes.channels.length) return t("Channels");
  return channels && channels.planes.z * channels.planes.t > 1 ? t("Plane") : t("Colours");
};

export function SidePanel({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const counts = editor.store.overview.counts;
  const tab = ui.tab();
  const tabs: [Tab, string][] = [
    ["cells", `${t("Cells")} ${counts.cells}`],
    ["review", `${t("Review")} ${counts.undecided}`],
    ["masks", t("Masks")],
    ["comments", `${t("Comments")} ${editor.comments.open.length}`],
    ...(editor.store.opened.study ? [] : [["history", t("History")] satisfies [Tab, string]]),
    ...(ui.channels ? [["channels", channelsName(ui)] satisfies [Tab, string]] : []),
    ["view", t("View")],
  ];
  return (
    <>
      <WorkCard ui={ui} />
      <div class="tabs" role="tablist">
        {tabs.map(([name, text]) => (
          <button
            key={name}
            type="button"
            role="tab"
            aria-selected={tab === name}
            onClick={() => ui.openTab(name)}
          >
            {text}
          </button>
        ))}
      </div>
      <OpenTab ui={ui} />
      <div class="bw-cards">
        <ProposingCard ui={ui} />
        <CellCard ui={ui} />
        {editor.store.multiSelected.length > 0 && !editor.store.editing && <ManyCard ui={ui} />}
        {editor.store.editing ? <EditPanel ui={ui} /> : <ToolCard ui={ui} />}
        {editor.store.log?.conflicts.map((c) => (
          <ConflictCard key={c.annotation} ui={ui} conflict={c} />
        ))}
      </div>
    </>
  );
}

function OpenTab({ ui }: { ui: Ui }) {
  const tab = ui.tab();
  return (
    <>
      {tab === "cells" && <CellsTab ui={ui} />}
      {tab === "review" && <ReviewTab ui={ui} />}
      {tab === "masks" && <MasksTab ui={ui} layer={ui.editor.store.publication} />}
      {tab === "comments" && <CommentsTab ui={ui} />}
      {tab === "history" && <HistoryTab ui={ui} />}
      {tab === "channels" && ui.channels && <ChannelsTab settings={ui.channels} />}
      {tab === "view" && <ViewTab ui={ui} />}
    </>
  );
}
