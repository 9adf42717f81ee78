import { useCallback, useEffect, useState } from 'react';
import type { AppState } from '../../../bridge/state.ts';
import { bridge } from '../../bridge.ts';
import { useAppState } from '../../hooks/use-app-state.ts';
import { useNow } from '../../hooks/use-now.ts';
import { ConflictDialog } from '../connection/ConflictDialog.tsx';
import { useConnection } from '../connection/use-connection.ts';
import { ExtensionTrouble } from '../extension-state/ExtensionTrouble.tsx';
import { DropArea } from '../import/DropArea.tsx';
import { EmptyState } from '../import/EmptyState.tsx';
import { RefusalDialog } from '../import/RefusalDialog.tsx';
import { useImport } from '../import/use-import.ts';
import { TunnelDetail } from '../tunnel-detail/TunnelDetail.tsx';
import { ObserverNotice } from '../extension-state/ObserverNotice.tsx';
import { MessageBar } from './MessageBar.tsx';
import { selectTunnel } from './select-tunnel.ts';
import { Sidebar } from './Sidebar.tsx';
import { useMessages } from './use-messages.ts';
import './shell.css';

/** The window: nothing yet, trouble with the extension, or the tunnels. */
export function Shell() {
  const state = useAppState();
  // Kept here, so that it outlives a helper that was away for a while.
  const [chosenId, setChosenId] = useState<string | null>(null);
  if (state === null || state.extension.state === 'connecting') {
    return <main className="page" aria-busy="true" aria-label="Connecting to the system extension" />;
  }
  if (state.extension.state === 'unreachable')
    return <ExtensionTrouble error={state.extension.error} packaged={state.extension.packaged} />;
  if (state.extension.role === 'observer')
    return <ObserverNotice hiddenSessions={state.extension.hiddenSessions} />;
  return <Tunnels state={state} chosenId={chosenId} onChoose={setChosenId} />;
}

function Tunnels({
  state,
  chosenId,
  onChoose,
}: {
  readonly state: AppState;
  readonly chosenId: string | null;
  readonly onChoose: (id: string) => void;
}) {
  const { tunnels, extension } = state;
  const [message, say, hush] = useMessages();
  const connection = useConnection();
  const now = useNow(tunnels.some((tunnel) => tunnel.session !== null));
  const importing = useImport(
    useCallback(
      (id: string, name: string, notes: readonly string[]) => {
        onChoose(id);
        say([`${name} was imported.`, ...notes].join(' '));
      },
      [onChoose, say],
    ),
  );
  const { refuse } = connection;
  useEffect(() => {
    const stops = [
      bridge.on('tunnelSelected', ({ id }) => {
        onChoose(id);
      }),
      bridge.on('connectRefused', ({ id, error }) => {
        onChoose(id);
        refuse({ id, error });
      }),
      bridge.on('displayMessage', ({ text }) => {
        say(text);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [onChoose, refuse, say]);

  const selected = selectTunnel(tunnels, chosenId);
  const onFiles = (files: readonly File[]): void => void importing.importFiles(files);
  return (
    <DropArea enabled onFiles={onFiles}>
      {selected === null ? (
        <EmptyState onFiles={onFiles} />
      ) : (
        <div className="shell">
          <Sidebar
            tunnels={tunnels}
            selectedId={selected.id}
            now={now}
            developerMode={extension.state === 'active' && extension.developerMode}
            onSelect={onChoose}
            onFiles={onFiles}
          />
          <main className="shell-main">
            <TunnelDetail key={selected.id} tunnel={selected} connection={connection} now={now} />
          </main>
        </div>
      )}
      <MessageBar message={message} onClose={hush} />
      <RefusalDialog importing={importing} />
      <ConflictDialog connection={connection} tunnels={tunnels} />
    </DropArea>
  );
}
