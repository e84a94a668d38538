#pragma once
/// Requests to stop: SIGTERM, SIGUSR1, SIGINT. Batch systems send them ahead of the time limit; the driver answers with a checkpoint.

namespace wasserflow {

/// From here on these signals only raise a flag. A second SIGINT ends the process at once. Keeps what was received before.
void catch_stop_signals();
/// Number of the signal that came, 0 while none did. Of this process only: ranks agree in Run::stop_requested.
int stop_signal();
void clear_stop_signal();
/// "SIGTERM", ...
const char* signal_name(int signal);

}  // namespace wasserflow
