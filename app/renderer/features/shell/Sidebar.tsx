import type { Tunnel } from '../../../bridge/state.ts';
import { ImportButton } from '../import/ImportButton.tsx';
import { TunnelList } from '../tunnel-list/TunnelList.tsx';

export interface SidebarProps {
  readonly tunnels: readonly Tunnel[];
  readonly selectedId: string;
  readonly now: number;
  readonly developerMode: boolean;
  readonly onSelect: (id: string) => void;
  readonly onFiles: (files: readonly File[]) => void;
}

/** The list and how it grows. */
export function Sidebar({ tunnels, selectedId, now, developerMode, onSelect, onFiles }: SidebarProps) {
  return (
    <div className="sidebar">
      {developerMode && (
        <header
          className="sidebar-mode"
          title="The extension runs in private namespaces; this computer’s network is untouched."
        >
          Developer mode
        </header>
      )}
      <TunnelList tunnels={tunnels} selectedId={selectedId} now={now} onSelect={onSelect} />
      <footer className="sidebar-foot">
        <ImportButton label="Import…" onFiles={onFiles} />
      </footer>
    </div>
  );
}
