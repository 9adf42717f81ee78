import { useId, type KeyboardEvent } from 'react';
import type { Tunnel } from '../../../bridge/state.ts';
import { describeBriefly, describeSession } from '../connection/describe-session.ts';
import './tunnel-list.css';

export interface TunnelListProps {
  readonly tunnels: readonly Tunnel[];
  readonly selectedId: string | null;
  readonly now: number;
  readonly onSelect: (id: string) => void;
}

/** Moves the focus with the arrow keys, as in any list of the desktop. */
function moveFocus(event: KeyboardEvent<HTMLUListElement>): void {
  const buttons = [...event.currentTarget.querySelectorAll('button')];
  const current = buttons.findIndex((button) => button === document.activeElement);
  const target = {
    ArrowDown: current + 1,
    ArrowUp: current - 1,
    Home: 0,
    End: buttons.length - 1,
  }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  buttons[Math.min(Math.max(target, 0), buttons.length - 1)]?.focus();
}

/** The tunnels by name, each with its state. */
export function TunnelList({ tunnels, selectedId, now, onSelect }: TunnelListProps) {
  const titleId = useId();
  return (
    <nav aria-labelledby={titleId} className="tunnel-list">
      <h2 id={titleId}>Tunnels</h2>
      <ul onKeyDown={moveFocus}>
        {tunnels.map((tunnel) => {
          const { tone } = describeSession(tunnel, now);
          return (
            <li key={tunnel.id}>
              <button
                type="button"
                data-tone={tone}
                aria-current={tunnel.id === selectedId ? 'true' : undefined}
                onClick={() => {
                  onSelect(tunnel.id);
                }}
              >
                <span className="tunnel-dot" aria-hidden="true" />
                <span className="tunnel-words">
                  <span className="tunnel-name">{tunnel.name}</span>
                  <span className="tunnel-status">{describeBriefly(tunnel, now)}</span>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
