import { Dialog } from '../../controls/Dialog.tsx';
import type { Importing } from './use-import.ts';

/** Tells what is wrong with files that were refused, line by line. */
export function RefusalDialog({ importing }: { readonly importing: Importing }) {
  const { refused } = importing;
  const first = refused[0];
  if (first === undefined) return null;
  const scripted = refused.filter((each) => each.refusal.canDropScripts);
  return (
    <Dialog
      title={
        refused.length === 1
          ? `${first.refusal.file} was not imported`
          : `${String(refused.length)} files were not imported`
      }
      onCancel={importing.dismiss}
      actions={
        <>
          <button
            type="button"
            className={scripted.length === 0 ? 'button button-primary' : 'button'}
            onClick={importing.dismiss}
          >
            Close
          </button>
          {scripted.map(({ file, refusal }) => (
            <button
              key={refusal.file}
              type="button"
              className="button"
              onClick={() => void importing.importWithoutScripts(file)}
            >
              {scripted.length === 1 ? 'Import without scripts' : `Import ${refusal.file} without scripts`}
            </button>
          ))}
        </>
      }
    >
      <div className="refusals selectable">
        {refused.map(({ refusal }, index) => (
          <section key={`${refusal.file} ${String(index)}`} aria-label={refusal.file}>
            {refused.length > 1 && <h3>{refusal.file}</h3>}
            <ul>
              {refusal.problems.map((problem, place) => (
                <li key={place}>
                  {problem.line !== null && <strong>Line {problem.line}</strong>}
                  <span>{problem.reason}</span>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      {scripted.length > 0 && (
        <p>
          Sallyport never runs commands out of a configuration. Without them the tunnel may lack what they
          did, such as firewall rules.
        </p>
      )}
    </Dialog>
  );
}
