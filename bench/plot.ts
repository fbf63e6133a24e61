/** Plots as SVG, by hand: a few lines and words, no library. */

/** Named points, in order of x. */
export type Series = {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
};

const [WIDTH, HEIGHT] = [720, 400];
const [LEFT, RIGHT, TOP, BOTTOM] = [80, 170, 50, 60];
const COLOURS = ['#2563eb', '#d97706', '#059669', '#9333ea'];

const label = (n: number) =>
  n >= 1000 ? n.toLocaleString('en-US') : String(Math.round(n * 1000) / 1000);
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const words = (x: number, y: number, text: string, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escape(text)}</text>`;

function frame(title: string, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    words(20, 24, title, 'font-size="15"'),
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

/** Ticks at round numbers from zero. */
function ticksUpTo(most: number): number[] {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough) ?? power;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}

/** Curves over a logarithmic x, y from zero. */
export function curves(
  title: string,
  axes: { readonly x: string; readonly y: string },
  series: readonly Series[],
): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort(
    (a, b) => a - b,
  );
  const yTicks = ticksUpTo(
    Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y)), 1e-9),
  );
  const yMost = yTicks.at(-1) ?? 1;
  const [from, to] = [Math.log10(xs[0] ?? 1), Math.log10(xs.at(-1) ?? 10)];
  const x = (value: number) =>
    LEFT + ((Math.log10(value) - from) / Math.max(to - from, 1e-9)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / yMost) * (HEIGHT - TOP - BOTTOM);
  return frame(title, [
    ...yTicks.flatMap((t) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(t).toFixed(1)}" y2="${y(t).toFixed(1)}" stroke="#ddd"/>`,
      words(LEFT - 8, y(t) + 4, label(t), 'text-anchor="end"'),
    ]),
    ...xs.map((t) => words(x(t), HEIGHT - BOTTOM + 18, label(t), 'text-anchor="middle"')),
    words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, axes.x, 'text-anchor="middle"'),
    words(LEFT - 60, TOP - 14, axes.y),
    ...series.flatMap(({ name, points }, i) => {
      const colour = COLOURS[i % COLOURS.length] ?? '#222';
      const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`);
      const last = points.at(-1);
      return [
        `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...path.map(
          (p) => `<circle cx="${p.split(',')[0]}" cy="${p.split(',')[1]}" r="3" fill="${colour}"/>`,
        ),
        ...(last ? [words(WIDTH - RIGHT + 12, TOP + 16 + i * 18, name, `fill="${colour}"`)] : []),
      ];
    }),
  ]);
}

/** A horizontal bar for each name, with its range as a line. */
export function barsOf(
  title: string,
  rows: readonly { name: string; value: number; min: number; max: number }[],
): string {
  const most = ticksUpTo(Math.max(...rows.map(({ max }) => max), 1)).at(-1) ?? 1;
  const left = LEFT + 190;
  const step = (HEIGHT - TOP - 20) / Math.max(rows.length, 1);
  const x = (value: number) => left + (value / most) * (WIDTH - left - 90);
  return frame(
    title,
    rows.flatMap(({ name, value, min, max }, i) => {
      const y = TOP + i * step;
      const middle = y + step * 0.4;
      const colour = name.startsWith('ours') ? COLOURS[0] : '#9ca3af';
      return [
        words(left - 8, middle + 4, name, 'text-anchor="end"'),
        `<rect x="${left}" y="${(y + step * 0.1).toFixed(1)}" width="${(x(value) - left).toFixed(1)}" height="${(step * 0.6).toFixed(1)}" fill="${colour}"/>`,
        `<line x1="${x(min).toFixed(1)}" x2="${x(max).toFixed(1)}" y1="${middle.toFixed(1)}" y2="${middle.toFixed(1)}" stroke="#222"/>`,
        words(x(max) + 6, middle + 4, label(Math.round(value))),
      ];
    }),
  );
}
