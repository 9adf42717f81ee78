import { useState, type DragEvent, type ReactNode } from 'react';
import { Icon } from '../../controls/Icon.tsx';
import './import.css';

function holdsFiles(event: DragEvent): boolean {
  return event.dataTransfer.types.includes('Files');
}

/** Lets files be dropped anywhere on what it surrounds. */
export function DropArea({
  children,
  enabled,
  onFiles,
}: {
  readonly children: ReactNode;
  readonly enabled: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}) {
  // Entering a child leaves its parent, so only the balance tells whether the pointer is still here.
  const [depth, setDepth] = useState(0);
  const accept = (event: DragEvent): void => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = enabled ? 'copy' : 'none';
  };
  return (
    <div
      className="drop-area"
      onDragEnter={(event) => {
        accept(event);
        if (holdsFiles(event)) setDepth((value) => value + 1);
      }}
      onDragOver={accept}
      onDragLeave={(event) => {
        if (holdsFiles(event)) setDepth((value) => Math.max(0, value - 1));
      }}
      onDrop={(event) => {
        event.preventDefault();
        setDepth(0);
        const files = [...event.dataTransfer.files];
        if (enabled && files.length > 0) onFiles(files);
      }}
    >
      {children}
      {enabled && depth > 0 && (
        <div className="drop-veil" aria-hidden="true">
          <div className="drop-sign">
            <Icon name="file" />
            Drop to import
          </div>
        </div>
      )}
    </div>
  );
}
