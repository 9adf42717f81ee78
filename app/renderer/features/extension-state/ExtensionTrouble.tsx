import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import { bridge } from '../../bridge.ts';
import { Gate } from '../../controls/Gate.tsx';
import { describeExtensionTrouble } from './describe-extension.ts';
import './extension-state.css';

/** Fills the window while the system extension cannot be used. */
export function ExtensionTrouble({
  error,
  packaged,
}: {
  readonly error: SerializedError;
  readonly packaged: boolean;
}) {
  const { title, explanation, remedy, reason } = describeExtensionTrouble(error, packaged);
  return (
    <main className="page" data-tone="bad">
      <Gate tone="bad" />
      <h1>{title}</h1>
      <p>{explanation}</p>
      <p className="page-remedy">{remedy}</p>
      <button type="button" className="button button-primary" onClick={() => void bridge.reconnect({})}>
        Try again
      </button>
      <p className="page-reason selectable">{reason}</p>
    </main>
  );
}
