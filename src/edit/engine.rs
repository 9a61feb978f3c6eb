//! The engine thread: it owns the model, loads it, and works on one request at a time.
//!
//! Messages go through a bounded channel. A panic of the model or a device that is lost becomes an error event; the thread that
//! shows things never waits for the model.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::channel;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::diffusion::denoiser::Denoiser;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::event::ModelInfo;
use crate::edit::request::EditRequest;
use crate::edit::run::run;
use crate::edit::steer::Steering;
use crate::model::device;
use crate::model::device::DeviceChoice;
use crate::model::error::ModelError;
use crate::model::load::LoadedModel;
use crate::model::load::load;
use crate::model::locate::ModelFiles;

/// Events that may wait to be shown. Steps beyond it are dropped: the next one shows everything again.
const WAITING: usize = 64;

/// A handle on the engine thread. Dropping it ends the thread after the step it is at.
#[derive(Debug)]
pub struct Engine {
    requests: Sender<EditRequest>,
    events: Receiver<Event>,
    steering: Arc<Steering>,
}

impl Engine {
    /// Starts the thread, which begins to load the model at once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(files: ModelFiles, device: DeviceChoice) -> std::io::Result<Self> {
        Self::start_with(move |emit| {
            let device = device::open(device)?;
            load(&files, &device, &mut |share| emit(Event::Loading(share)))
        })
    }

    /// Starts the thread with a loader of its own: for tests of what happens when loading fails or panics.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start_with<L>(loader: L) -> std::io::Result<Self>
    where
        L: FnOnce(&mut dyn FnMut(Event)) -> Result<LoadedModel, ModelError> + Send + 'static,
    {
        let (requests, inbox) = channel();
        let (outbox, events) = sync_channel(WAITING);
        let steering = Arc::new(Steering::default());
        let shared = Arc::clone(&steering);
        thread::Builder::new().name("engine".to_owned()).spawn(move || work(loader, &inbox, &outbox, &shared))?;
        Ok(Self { requests, events, steering })
    }

    /// Hands over a request; its events follow those of the requests before it.
    pub fn submit(&self, request: EditRequest) {
        // If the thread has ended, its last event says why; the request is answered by that.
        let _ = self.requests.send(request);
    }

    /// The events, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// What the user wants of the running request.
    pub fn steering(&self) -> &Arc<Steering> {
        &self.steering
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.steering.close();
    }
}

fn work<L>(loader: L, inbox: &Receiver<EditRequest>, outbox: &SyncSender<Event>, steering: &Steering)
where
    L: FnOnce(&mut dyn FnMut(Event)) -> Result<LoadedModel, ModelError>,
{
    let mut emit = |event| send(outbox, event);
    let loaded = catch_unwind(AssertUnwindSafe(|| loader(&mut emit)));
    let mut model = match loaded {
        Ok(Ok(model)) => model,
        Ok(Err(error)) => return send(outbox, Event::Failed { error: error.into(), fatal: true }),
        Err(panic) => return send(outbox, Event::Failed { error: EditError::Engine(message(&*panic)), fatal: true }),
    };
    let name = model.denoiser.spec().name.clone();
    let info = ModelInfo { name, device: model.device.clone(), has_adapter: model.denoiser.has_adapter() };
    send(outbox, Event::Ready(info));
    while let Ok(request) = inbox.recv() {
        steering.begin(request.options.paused);
        let mut emit = |event| send(outbox, event);
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut model, &request, steering, &mut emit)));
        match result {
            Ok(Ok(candidates)) => send(outbox, Event::Finished(candidates)),
            Ok(Err(error)) => send(outbox, Event::Failed { error, fatal: false }),
            // After a panic the state of the device is unknown.
            Err(panic) => return send(outbox, Event::Failed { error: EditError::Engine(message(&*panic)), fatal: true }),
        }
    }
}

/// Sends an event. Steps and progress give way when no one reads; everything else waits until it is read.
fn send(outbox: &SyncSender<Event>, event: Event) {
    match outbox.try_send(event) {
        Err(TrySendError::Full(Event::Step(_) | Event::Loading(_))) | Ok(()) => {}
        // Whoever listened is gone, and with them the wish for the event.
        Err(TrySendError::Full(event)) => drop(outbox.send(event)),
        Err(TrySendError::Disconnected(_)) => {}
    }
}

/// What a panic said, in one line.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "it gave no reason".to_owned());
    text.lines().next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_event(engine: &Engine) -> Event {
        engine.events().recv().unwrap()
    }

    #[test]
    fn a_loader_that_fails_or_panics_becomes_an_event() {
        let engine = Engine::start_with(|_| Err(ModelError::Mismatch("parts do not fit".to_owned()))).unwrap();
        assert!(matches!(first_event(&engine), Event::Failed { fatal: true, error: EditError::Model(_) }));
        let engine = Engine::start_with(|_| panic!("device lost\nbacktrace")).unwrap();
        match first_event(&engine) {
            Event::Failed { error: EditError::Engine(text), fatal: true } => assert_eq!(text, "device lost"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn steps_are_dropped_and_results_are_not() {
        let (outbox, events) = sync_channel(1);
        send(&outbox, Event::Loading(0.1));
        send(&outbox, Event::Loading(0.2));
        let reader = thread::spawn(move || events.iter().count());
        send(&outbox, Event::Finished(Vec::new()));
        drop(outbox);
        assert_eq!(reader.join().unwrap(), 2);
    }
}
