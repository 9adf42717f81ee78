import { useEffect, useRef } from 'react';
import { Icon } from '../../controls/Icon.tsx';

export interface ImportButtonProps {
  readonly label: string;
  readonly primary?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

/** Opens the desktop's file chooser; the page receives contents and names, never paths. */
export function ImportButton({ label, primary = false, onFiles }: ImportButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const open = (event: KeyboardEvent): void => {
      if (!event.ctrlKey || event.altKey || event.key.toLowerCase() !== 'o') return;
      event.preventDefault();
      input.current?.click();
    };
    window.addEventListener('keydown', open);
    return () => {
      window.removeEventListener('keydown', open);
    };
  }, []);
  return (
    <>
      <button
        type="button"
        className={primary ? 'button button-primary' : 'button'}
        aria-keyshortcuts="Control+O"
        title="Ctrl+O"
        onClick={() => input.current?.click()}
      >
        <Icon name="plus" />
        {label}
      </button>
      <input
        ref={input}
        type="file"
        accept=".conf"
        multiple
        hidden
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          // The same file may be chosen again after it was mended.
          event.target.value = '';
        }}
      />
    </>
  );
}
