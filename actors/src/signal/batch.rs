//! Several signals at once: [`put_all`] and [`read_all`].
use super::{Reading, SignalError, SignalR, SignalValue, SignalW};
use futures_util::future::{join_all, try_join_all};

/// Puts all values at once: every put is on its way before one of them is waited for. By Channel
/// Access they leave in one flush.
///
/// Resolves once all are complete; fails with the first failure in the order of `puts` once all have
/// ended, so that nothing is under way any more.
pub async fn put_all<T: SignalValue>(puts: &[(&SignalW<T>, T)]) -> Result<(), SignalError> {
    let puts = puts.iter().map(|(signal, value)| signal.put(value.clone()));
    join_all(puts).await.into_iter().collect()
}

/// Reads all signals at once, in their order; fails with the first failure.
pub async fn read_all<T: SignalValue>(
    signals: &[&SignalR<T>],
) -> Result<Vec<Reading<T>>, SignalError> {
    try_join_all(signals.iter().map(|signal| signal.read())).await
}
