// The mark of the pages.

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="36" height="36" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M7 22 L25 11" />
      <path class="thin" d="M10 20.5 v4 M21 14 v10.5" />
    </svg>
  );
}
