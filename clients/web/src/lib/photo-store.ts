// Documents that are not sent yet, so that a reload does not lose them: in IndexedDB, which takes
// their size, and encrypted like all else that a page stores of a patient (`sealed.ts`).

const [DATABASE, STORE] = ["handrail", "unsent"];

/** A document, readable by nobody without the key of the session. */
export interface Unsent {
  session: string;
  field: string;
  mediaType: string;
  sealed: Uint8Array;
}

const keyOf = (session: string, field: string) => [session, field];

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: ["session", "field"] });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(new Error("no storage"));
  });
}

/** Where storage is forbidden or full, the page goes on without it. */
async function within<T>(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
  try {
    const database = await opened();
    return await new Promise((resolve) => {
      const asked = run(database.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => resolve(null);
    }).finally(() => database.close()) as T | null;
  } catch {
    return null;
  }
}

export const keepUnsent = (unsent: Unsent) => within("readwrite", (store) => store.put(unsent));

export const dropUnsent = (session: string, field: string) => within("readwrite", (store) => store.delete(keyOf(session, field)));

/** What was not sent in a session; that of any other is deleted. */
export async function unsentOf(session: string): Promise<Unsent[]> {
  const all = (await within("readonly", (store) => store.getAll() as IDBRequest<Unsent[]>)) ?? [];
  for (const one of all) if (one.session !== session) await dropUnsent(one.session, one.field);
  return all.filter((one) => one.session === session);
}

/** The whole of it: nothing of a session stays behind. */
export function forgetUnsent(): void {
  try {
    indexedDB.deleteDatabase(DATABASE);
  } catch {
    // Nothing was kept.
  }
}
