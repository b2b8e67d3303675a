import { chosenIn, memoryStore, type ChoiceStore } from './store.ts';

const storeName = 'choices';
const inMemory = memoryStore();

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('a request failed')));
  });

async function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open('shoal', 1);
  request.addEventListener('upgradeneeded', () => request.result.createObjectStore(storeName));
  return settled(request);
}

/** A record per scope in IndexedDB, of pages and workers alike. */
const database: ChoiceStore = {
  async read(scope) {
    const opened = await openDatabase();
    try {
      return chosenIn(await settled(opened.transaction(storeName).objectStore(storeName).get(scope)));
    } finally {
      opened.close();
    }
  },
  async add(scope, chosen) {
    const opened = await openDatabase();
    try {
      // One transaction: nobody adds between reading and writing.
      const records = opened.transaction(storeName, 'readwrite').objectStore(storeName);
      const kept = chosenIn(await settled<unknown>(records.get(scope)));
      await settled(records.put({ ...kept, ...chosen }, scope));
    } finally {
      opened.close();
    }
  },
};

/** In IndexedDB; while the page lives where that is refused, as in private windows. */
export function userStore(): ChoiceStore {
  return {
    read: (scope) => database.read(scope).catch(() => inMemory.read(scope)),
    add: (scope, chosen) => database.add(scope, chosen).catch(() => inMemory.add(scope, chosen)),
  };
}
