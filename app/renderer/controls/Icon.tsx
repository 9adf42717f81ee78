const paths = {
  plus: 'M8 3v10M3 8h10',
  pencil: 'M3 13l.7-3L10.9 2.8a1.4 1.4 0 0 1 2 0l.3.3a1.4 1.4 0 0 1 0 2L6 12.300 3 13z',
  trash: 'M2.500 4.500h11M6 4.500V3h4v1.500M4 4.500l.6 8.500h6.800l.6-8.500M6.700 7v3.700M9.300 7v3.700',
  down: 'M8 3v10M4 9l4 4 4-4',
  up: 'M8 13V3M4 7l4-4 4 4',
  warning: 'M8 2.500L14.200 13H1.800L8 2.500zM8 6.500v3M8 11.200v.1',
  close: 'M4 4l8 8M12 4l-8 8',
  file: 'M9.500 1.800H4v12.400h8.500V5L9.500 1.800zM9.300 2v3.200h3.200',
} as const;

/** A line drawing of 16 by 16; says nothing by itself, so it always stands beside a label. */
export function Icon({ name }: { readonly name: keyof typeof paths }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
