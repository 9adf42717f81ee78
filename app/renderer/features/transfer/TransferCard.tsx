import { formatBytes, formatRate } from '../../format/bytes.ts';
import { Icon } from '../../controls/Icon.tsx';
import { linePoints, rates } from './traffic.ts';
import type { LiveStatistics } from './use-statistics.ts';
import './transfer.css';

const width = 560;
const height = 64;
/** Below this the line stays low: keepalives should not look like a download. */
const smallestCeiling = 20_000;

/** What went through the tunnel: totals, the present rate, and the last minute as a line. */
export function TransferCard({ statistics }: { readonly statistics: LiveStatistics }) {
  const { latest, history } = statistics;
  const series = rates(history);
  const current = series.at(-1);
  const ceiling = Math.max(smallestCeiling, ...series.flatMap((rate) => [rate.received, rate.sent]));
  const line = (values: readonly number[]): string =>
    linePoints(values, ceiling, width, height - 2)
      .map(([x, y]) => `${x.toFixed(1)},${(y + 1).toFixed(1)}`)
      .join(' ');
  return (
    <section className="transfer" aria-label="Transfer">
      <dl className="transfer-figures">
        <div className="transfer-figure" data-direction="received">
          <dt>
            <Icon name="down" /> Received
          </dt>
          <dd>{latest === null ? '–' : formatBytes(latest.receivedBytes)}</dd>
          <dd className="transfer-rate">{current === undefined ? ' ' : formatRate(current.received)}</dd>
        </div>
        <div className="transfer-figure" data-direction="sent">
          <dt>
            <Icon name="up" /> Sent
          </dt>
          <dd>{latest === null ? '–' : formatBytes(latest.sentBytes)}</dd>
          <dd className="transfer-rate">{current === undefined ? ' ' : formatRate(current.sent)}</dd>
        </div>
      </dl>
      <svg
        className="transfer-graph"
        viewBox={`0 0 ${String(width)} ${String(height)}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Transfer over the last minute, at most ${formatRate(ceiling)}`}
      >
        <line className="transfer-base" x1="0" x2={width} y1={height - 1} y2={height - 1} />
        <polyline className="transfer-sent" points={line(series.map((rate) => rate.sent))} />
        <polyline className="transfer-received" points={line(series.map((rate) => rate.received))} />
      </svg>
    </section>
  );
}
