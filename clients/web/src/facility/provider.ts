// What the OpenID Connect provider returns to this page, in its address.

export interface Returned {
  state: string;
  code?: string;
  error?: string;
  iss?: string;
}

/** Return it, and remove it from the address and the history: it is not sent again, and nobody finds it. */
export function takeReturned(): Returned | null {
  const query = new URLSearchParams(location.search);
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
  const [state, code, error, iss] = ["state", "code", "error", "iss"].map((name) => query.get(name) ?? undefined);
  if (!state || (code === undefined) === (error === undefined)) return null;
  return { state, ...(code && { code }), ...(error && { error: error.slice(0, 128) }), ...(iss && { iss }) };
}

/** This page's address, to which the provider must return. */
export const pageAddress = () => location.origin + location.pathname;
