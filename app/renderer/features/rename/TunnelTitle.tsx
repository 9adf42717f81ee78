import { useEffect, useId, useRef, useState } from 'react';
import type { Tunnel } from '../../../bridge/state.ts';
import { bridge } from '../../bridge.ts';
import { Icon } from '../../controls/Icon.tsx';
import './rename.css';

/** The tunnel's name, which can be changed in place. */
export function TunnelTitle({ tunnel }: { readonly tunnel: Tunnel }) {
  const [editing, setEditing] = useState(false);
  useEffect(() => {
    setEditing(false);
  }, [tunnel.id]);
  if (editing) {
    return (
      <RenameForm
        tunnel={tunnel}
        onDone={() => {
          setEditing(false);
        }}
      />
    );
  }
  return (
    <>
      <h1 className="tunnel-title">{tunnel.name}</h1>
      <button
        type="button"
        className="button button-quiet"
        onClick={() => {
          setEditing(true);
        }}
      >
        <Icon name="pencil" />
        Rename
      </button>
    </>
  );
}

function RenameForm({ tunnel, onDone }: { readonly tunnel: Tunnel; readonly onDone: () => void }) {
  const [name, setName] = useState(tunnel.name);
  const [problem, setProblem] = useState<string | null>(null);
  const [saving, setSaving] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const problemId = useId();
  useEffect(() => {
    input.current?.select();
  }, []);
  const save = async (): Promise<void> => {
    const wanted = name.trim();
    if (wanted === tunnel.name) {
      onDone();
      return;
    }
    setSaving(true);
    const answer = await bridge.rename({ id: tunnel.id, name: wanted });
    setSaving(false);
    if (answer.ok) onDone();
    else setProblem(answer.error.message);
  };
  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone();
      }}
    >
      <h1 className="visually-hidden">{tunnel.name}</h1>
      <input
        ref={input}
        aria-label="Name of the tunnel"
        aria-invalid={problem !== null}
        aria-describedby={problem === null ? undefined : problemId}
        value={name}
        maxLength={255}
        onChange={(event) => {
          setName(event.target.value);
          setProblem(null);
        }}
      />
      <button type="submit" className="button button-primary" disabled={saving}>
        Save
      </button>
      <button type="button" className="button" onClick={onDone}>
        Cancel
      </button>
      {problem !== null && (
        <p id={problemId} role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
