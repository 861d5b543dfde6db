// What a page stores. An enrolled screen's credential outlives a restart; everything of one session
// stays in this tab and is deleted at the session's end. What a patient typed is stored encrypted only
// (`sealed.ts`): a browser writes this storage to its disk, and may keep it there.

const PREFIX = "handrail.";

function read<T>(storage: Storage, key: string): T | null {
  try {
    const text = storage.getItem(PREFIX + key);
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}

function write(storage: Storage, key: string, value: unknown): void {
  try {
    if (value === null) storage.removeItem(PREFIX + key);
    else storage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: the page goes on without it.
  }
}

export interface Credential {
  device: string;
  role: string;
  secret: string;
  site: string;
  session?: string | null;
}

/** Of this browser: it outlives a restart. */
export const deviceStorage = {
  enrolled: (page: string) => read<Credential>(localStorage, `${page}.credential`),
  enrol: (page: string, credential: Credential | null) =>
    write(localStorage, `${page}.credential`, credential),
  setting: <T>(name: string) => read<T>(localStorage, `setting.${name}`),
  set: (name: string, value: unknown) => write(localStorage, `setting.${name}`, value),
};

/** Of this tab and this session alone. */
export const tabStorage = {
  get: <T>(name: string) => read<T>(sessionStorage, name),
  put: (name: string, value: unknown) => write(sessionStorage, name, value),
  forget() {
    try {
      sessionStorage.clear();
    } catch {
      // Nothing was kept.
    }
  },
};
