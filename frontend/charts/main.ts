/** The plots of a page: each element with `data-chart` names the JSON that it shows. Values follow the pointer, and a
 *  plot is downloaded as a picture. Words come from the page, so this file has none. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./charts.css";

type Chart = {
  readonly kind: "bars" | "line";
  readonly is_time: boolean;
  readonly x_label: string;
  readonly x: readonly number[];
  readonly series: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
};

const HEIGHT = 220;
/** Of the series, in order; tokens.css gives them their colours, for light and for dark. */
const COLOURS = ["--accent", "--warn", "--ok", "--danger", "--text-muted", "--outline"];

const token = (name: string): string => getComputedStyle(document.body).getPropertyValue(name).trim();

function optionsOf(chart: Chart, width: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: token("--text-muted"),
    grid: { stroke: token("--border"), width: 1 },
    ticks: { stroke: token("--border"), width: 1 },
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 40] });
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: chart.is_time } },
    ...(chart.is_time ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "UTC") } : {}),
    axes: [axis, { ...axis, size: 48 }],
    series: [
      { label: chart.x_label, ...(chart.is_time ? { value: "{YYYY}-{MM}-{DD}" } : {}) },
      ...chart.series.map(({ label }, i) => ({
        label,
        stroke: token(COLOURS[i % COLOURS.length]),
        width: 2,
        spanGaps: true,
        points: { show: chart.kind === "line" },
        value: (_plot: uPlot, value: number | null) =>
          value === null ? "–" : String(Number(value.toFixed(3))),
        ...(chart.kind === "bars" && bars ? { paths: bars, fill: `${token(COLOURS[i])}` } : {}),
      })),
    ],
  };
}

function show(host: HTMLElement): void {
  const source = document.getElementById(host.dataset.chart ?? "");
  if (!source) return;
  const chart = JSON.parse(source.textContent) as Chart;
  const data = [chart.x, ...chart.series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  let plot: uPlot | null = null;
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(optionsOf(chart, host.clientWidth), data, host);
  };
  draw();
  new ResizeObserver(() => plot?.setSize({ width: host.clientWidth, height: HEIGHT })).observe(host);
  // Colours are painted, so another theme paints them anew.
  new MutationObserver(draw).observe(document.documentElement, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const button = host.parentElement?.querySelector<HTMLElement>("[data-download]");
  button?.addEventListener("click", () => plot && download(plot, `${host.dataset.chart ?? "chart"}.png`));
}

/** The plot as a picture, on the surface of the page instead of on nothing. */
function download(plot: uPlot, name: string): void {
  const { canvas } = plot.ctx;
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  const context = picture.getContext("2d");
  if (!context) return;
  context.fillStyle = token("--surface-raised");
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  const link = document.createElement("a");
  link.href = picture.toDataURL("image/png");
  link.download = name;
  link.click();
}

for (const host of document.querySelectorAll<HTMLElement>("[data-chart]")) show(host);
