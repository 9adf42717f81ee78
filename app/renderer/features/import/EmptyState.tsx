import { Gate } from '../../controls/Gate.tsx';
import { ImportButton } from './ImportButton.tsx';

/** What a new user sees: the one thing to do. */
export function EmptyState({ onFiles }: { readonly onFiles: (files: readonly File[]) => void }) {
  return (
    <main className="page" data-tone="good">
      <Gate tone="good" size={112} />
      <h1>Add your first tunnel</h1>
      <p>
        Drop a WireGuard configuration here, or choose one. It is the <code>.conf</code> file that your
        provider or administrator gave you.
      </p>
      <ImportButton primary label="Import a configuration…" onFiles={onFiles} />
      <p className="page-aside">Its keys go to the system extension and are never shown again.</p>
    </main>
  );
}
