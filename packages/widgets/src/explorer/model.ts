import {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  finalize,
  from,
  map,
  Observable,
  of,
  startWith,
  switchMap,
  type Observer,
} from 'rxjs';
import { createCalculator, type BackendName, type Calculator, type Results } from './calculator.ts';
import { sameComputation, type ExplorerState } from './state.ts';

/** What there is to show: nothing yet, numbers, or why there are none. */
export type Computation =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly results: Results }
  | { readonly kind: 'failed'; readonly error: Error };

/** The explorer without its looks: a state that is replaced, and what follows from it. */
export interface ExplorerModel {
  readonly state: BehaviorSubject<ExplorerState>;
  readonly backend: BehaviorSubject<BackendName>;
  /** Newer numbers cancel older ones; unsubscribing cancels and frees the backend. */
  readonly computation: Observable<Computation>;
  update(change: Partial<ExplorerState>): void;
}

export function createModel(initial: ExplorerState, backendName: BackendName = 'reference'): ExplorerModel {
  const state = new BehaviorSubject(initial);
  const backend = new BehaviorSubject(backendName);
  const numbers = state.pipe(distinctUntilChanged(sameComputation));
  const computation = backend.pipe(
    distinctUntilChanged(),
    switchMap((name) =>
      calculatorOf(name).pipe(
        switchMap((calculator) => numbers.pipe(switchMap((each) => cancellable((signal) => calculator.evaluate(each, signal))))),
        map((results): Computation => ({ kind: 'ready', results })),
        catchError((error: unknown) =>
          of<Computation>({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }),
        ),
        startWith<Computation>({ kind: 'loading' }),
      ),
    ),
  );
  return { state, backend, computation, update: (change) => state.next({ ...state.value, ...change }) };
}

/** Opens a backend when subscribed to, disposes of it when unsubscribed from, even if that comes first. */
function calculatorOf(name: BackendName): Observable<Calculator> {
  return new Observable((observer: Observer<Calculator>) => {
    const opening = createCalculator(name);
    opening.then(
      (calculator) => observer.next(calculator),
      (error: unknown) => observer.error(error),
    );
    return () => {
      opening.then(
        (calculator) => calculator.dispose(),
        () => undefined,
      );
    };
  });
}

/** A promise as an observable of its one value; unsubscribing aborts. */
function cancellable<T>(work: (signal: AbortSignal) => Promise<T>): Observable<T> {
  return defer(() => {
    const controller = new AbortController();
    return from(work(controller.signal)).pipe(finalize(() => controller.abort()));
  });
}
