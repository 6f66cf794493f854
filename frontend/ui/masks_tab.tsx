/** What made the proposals, and the proof of their fusion. */
import { mark, spoken, t } from "../locale/locale";
import type { Certificate, Layer } from "../scene/contract";
import { number, type Ui } from "./parts";
import { ProposeLinks } from "./proposing";

const PART_WORDS: Record<string, string> = {
  detector: mark("Detector"),
  segmenter: mark("Segmenter"),
  prompter: mark("Prompter"),
};

export function MasksTab({ ui, layer }: { ui: Ui; layer: Layer | undefined }) {
  const publication = layer?.publication;
  if (!publication)
    return (
      <div class="empty-state" role="tabpanel">
        <p>{t("No masks have been computed for this image yet.")}</p>
        <ProposeLinks ui={ui} />
      </div>
    );
  const c = publication.certificate;
  return (
    <div class="bw-tab bw-scroll" role="tabpanel">
      <h3>
        {publication.round_number
          ? t("Round {n}", { n: publication.round_number })
          : t("Proposed without a round")}
      </h3>
      <p class="bw-muted">
        {t("Published {time}", { time: new Date(publication.published_at).toLocaleString(spoken()) })}
      </p>
      {c ? (
        <Proof certificate={c} />
      ) : (
        <p class="bw-muted">{t("No certificate was stored with these masks.")}</p>
      )}
      <details>
        <summary>{t("Details of the method")}</summary>
        {c && <Figures certificate={c} />}
        <dl class="bw-facts">
          {Object.entries(publication.models).map(([part, name]) => (
            <>
              <dt>{t(PART_WORDS[part] ?? part)}</dt>
              <dd>{name}</dd>
            </>
          ))}
        </dl>
      </details>
      <ProposeLinks ui={ui} />
    </div>
  );
}

function Proof({ certificate }: { certificate: Certificate }) {
  return (
    <>
      <p class={certificate.closed ? "bw-proof" : "bw-proof is-open"}>
        {certificate.closed
          ? t("No other combination of the two masks scores better under this model.")
          : t("Another combination of the two masks may score better under this model.")}
      </p>
      <p class="bw-muted bw-note">
        {t("The proof is about the sum that was minimised, not about the tissue.")}{" "}
        {t("Whether a mask is right is for you to judge.")}
      </p>
    </>
  );
}

function Figures({ certificate: c }: { certificate: Certificate }) {
  const ambiguous = c.ambiguous_share === null ? null : 100 * c.ambiguous_share;
  return (
    <>
      <p class="bw-muted bw-note">
        {c.closed
          ? t("Proven best: the cut costs exactly as much as the maximum flow.")
          : t("Not proven best: the cut costs more than the flow that was found.")}
      </p>
      <dl class="bw-facts">
        <dt>{t("Cost of this answer (objective)")}</dt>
        <dd>{number(c.objective)}</dd>
        <dt>{t("Maximum flow = minimum cut")}</dt>
        <dd>{c.flow === c.cut ? number(c.flow) : `${number(c.flow)} ≠ ${number(c.cut)}`}</dd>
        <dt>{t("Time to compute")}</dt>
        <dd>{number(c.milliseconds, 1, " ms")}</dd>
        <dt>{t("Ambiguous pixels")}</dt>
        <dd>{number(ambiguous, 2, " %")}</dd>
        <dt>{t("Independent parts")}</dt>
        <dd>{number(c.components)}</dd>
      </dl>
    </>
  );
}
