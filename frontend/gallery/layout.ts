/** Where the cells of a gallery lie, and which of them are in view. Pure arithmetic, CSS pixels. */

export type Layout = { readonly columns: number; readonly size: number; readonly count: number };
export type Range = { readonly first: number; readonly end: number };

/** As many columns as fit; one at least. */
export const layoutOf = (width: number, size: number, count: number): Layout => ({
  columns: Math.max(1, Math.floor(width / size)),
  size,
  count,
});

export const heightOf = ({ columns, size, count }: Layout): number => Math.ceil(count / columns) * size;

export const placeOf = ({ columns, size }: Layout, index: number): { left: number; top: number } => ({
  left: (index % columns) * size,
  top: Math.floor(index / columns) * size,
});

/** The cells that touch a stretch of the gallery. */
export function touching({ columns, size, count }: Layout, top: number, height: number): Range {
  const first = Math.max(0, Math.floor(top / size)) * columns;
  const end = Math.min(count, Math.ceil((top + height) / size) * columns);
  return { first: Math.min(first, count), end: Math.max(first, end) };
}

/** The cells that lie wholly in it: the screen. */
export function whollyIn({ columns, size, count }: Layout, top: number, height: number): Range {
  const first = Math.min(count, Math.ceil(top / size) * columns);
  const end = Math.min(count, Math.floor((top + height) / size) * columns);
  return { first, end: Math.max(first, end) };
}

/** The cell at a place of the gallery; -1 for none. */
export function cellAt({ columns, size, count }: Layout, x: number, y: number): number {
  const column = Math.floor(x / size);
  const index = Math.floor(y / size) * columns + column;
  return x < 0 || y < 0 || column >= columns || index >= count ? -1 : index;
}
