/** Which channels, plane and colours of a slide are shown; kept on this computer for each person and image. Nothing of
 *  it is part of the log, and models do not see it. */
import type { Planes, Tiles } from "../scene/contract";

export type Channel = {
  readonly shown: boolean;
  /** "#rrggbb" */
  readonly colour: string;
  /** Samples that are black and of full colour; low < high. */
  readonly low: number;
  readonly high: number;
};
export type ChannelChoice = {
  /** Slice and time, from 0. */
  readonly slice: number;
  readonly time: number;
  readonly channels: readonly Channel[];
  /** The slide's colour profile is applied. */
  readonly icc: boolean;
};
/** Tiles of one choice: `query` stands behind each address. */
export type ChosenTiles = Tiles & { readonly query: string };

const STEPS = 1000; // of a slider over the samples that a channel has

export class ChannelSettings {
  now: ChannelChoice;

  constructor(
    readonly planes: Planes,
    kept: Partial<ChannelChoice> | null,
    private readonly onChange: (choice: ChannelChoice) => void,
  ) {
    const first = this.first();
    const isKept = kept?.channels?.length === first.channels.length;
    this.now = kept && isKept ? { ...first, ...kept, ...this.inside(kept) } : first;
  }

  /** As the server shows it before anybody chooses. */
  private first(): ChannelChoice {
    const { page, z, channels, icc } = this.planes;
    return {
      slice: (page - 1) % z,
      time: Math.floor((page - 1) / z),
      channels: channels.map(({ colour, low, high, shown }) => ({ colour: `#${colour}`, low, high, shown })),
      icc,
    };
  }

  private inside({ slice = 0, time = 0 }: Partial<ChannelChoice>): Pick<ChannelChoice, "slice" | "time"> {
    return {
      slice: Math.min(Math.max(0, slice), this.planes.z - 1),
      time: Math.min(Math.max(0, time), this.planes.t - 1),
    };
  }

  set(part: Partial<ChannelChoice>): void {
    this.now = { ...this.now, ...part };
    this.onChange(this.now);
  }

  /** The last channel in the picture stays: a black picture would look like an empty slide. */
  setChannel(index: number, part: Partial<Channel>): void {
    const channels = this.now.channels.map((channel, i) => (i === index ? { ...channel, ...part } : channel));
    if (channels.some((channel) => channel.shown)) this.set({ channels });
  }

  /** Black and full colour do not pass each other. */
  setRange(index: number, end: "low" | "high", value: number): void {
    const { low, high } = this.now.channels[index];
    const gap = this.step(index);
    this.setChannel(
      index,
      end === "low" ? { low: Math.min(value, high - gap) } : { high: Math.max(value, low + gap) },
    );
  }

  /** The range that was found when the slide came in. */
  auto(index: number): void {
    const { low, high } = this.planes.channels[index];
    this.setChannel(index, { low, high });
  }

  reset(): void {
    this.set(this.first());
  }

  /** One step of a slider, in samples. */
  step(index: number): number {
    const { least, most, low, high } = this.planes.channels[index];
    const width = Math.max(most, high) - Math.min(least, low);
    return width >= STEPS ? 1 : Math.max(width / STEPS, 1e-6);
  }

  get tiles(): ChosenTiles {
    const { slice, time, channels, icc } = this.now;
    const parts = [`page=${time * this.planes.z + slice + 1}`];
    const shown = channels.flatMap((channel, i) => (channel.shown ? [written(channel, i + 1)] : []));
    if (shown.length) parts.push(`channels=${shown.join(",")}`);
    if (icc && this.planes.icc) parts.push("icc=1");
    return { ...this.planes.tiles, query: `?${parts.join("&")}` };
  }
}

/** As labeling/images/planes.py reads it: number:colour:black:full. */
const written = ({ colour, low, high }: Channel, number: number): string =>
  `${number}:${colour.slice(1).toLowerCase()}:${plain(low)}:${plain(high)}`;

/** Without an exponent, which is no number there. */
const plain = (value: number): string => value.toFixed(6).replace(/\.?0+$/, "");
