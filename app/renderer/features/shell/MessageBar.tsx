import { Icon } from '../../controls/Icon.tsx';
import type { Message } from './use-messages.ts';

/** Always in the page, since a region that appears together with its text is not read aloud. */
export function MessageBar({
  message,
  onClose,
}: {
  readonly message: Message | null;
  readonly onClose: () => void;
}) {
  return (
    <div className="message-place" role="status">
      {message !== null && (
        <div className="message" key={message.number}>
          <span className="selectable">{message.text}</span>
          <button type="button" className="button button-quiet" aria-label="Dismiss" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
