//! The calls into libca and its callbacks: the only unsafe code of Channel Access.
//!
//! All calls come from the owner's thread: nothing here is [`Send`]. Callbacks come on libca's threads;
//! they push into the inbox and do nothing else.
#![expect(unsafe_code, reason = "calls into the Channel Access library")]
use super::{
    ChannelId, Event, Inbox, Native, Payload, RequestId, Rights, Shape, Status,
    dbr::{self, STRING_BYTES},
    inbox::Share,
};
use epics_ca_sys as sys;
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    slice,
    sync::Arc,
};

unsafe extern "C" {
    fn caRepeaterThread(unused: *mut c_void);
}

/// Bytes of the address and port of a server.
const SERVER_BYTES: usize = 256;
/// Changes of value and of alarm.
const VALUE_AND_ALARM: c_long = (sys::DBE_VALUE | sys::DBE_ALARM) as c_long;
const PROPERTY: c_long = sys::DBE_PROPERTY as c_long;

/// libca, as this thread has it, until it is dropped.
pub(super) struct Context {
    inbox: Arc<Inbox>,
    /// libca knows contexts by their thread.
    stays_here: PhantomData<*const ()>,
}

/// A channel to one PV, until it is dropped.
pub(super) struct Channel {
    handle: sys::chid,
    user: Arc<ChannelUser>,
    context: Rc<Context>,
}

/// A subscription, until it is dropped.
pub(super) struct Subscription {
    handle: sys::evid,
    /// Callbacks read it until the subscription is cleared.
    _share: Arc<Share>,
    _channel: Rc<Channel>,
}

struct ChannelUser {
    id: ChannelId,
    inbox: Arc<Inbox>,
}

impl Context {
    pub(super) fn new(inbox: Arc<Inbox>) -> Result<Rc<Self>, Status> {
        let select = sys::ca_preemptive_callback_select::ca_enable_preemptive_callback;
        // SAFETY: takes nothing of ours.
        check(unsafe { sys::ca_context_create(select) })?;
        let context = Self { inbox, stays_here: PhantomData };
        let user = Arc::as_ptr(&context.inbox).cast_mut().cast();
        // SAFETY: the inbox lives until the context is destroyed, after which nothing is called back.
        check(unsafe { sys::ca_add_exception_event(Some(excepted), user) })?;
        Ok(Rc::new(context))
    }

    /// Sends what was asked for.
    #[expect(clippy::unused_self, reason = "proves that this thread has a context")]
    pub(super) fn flush(&self) -> Result<(), Status> {
        // SAFETY: this thread has a context as long as there is a `Context`.
        check(unsafe { sys::ca_flush_io() })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: this thread has a context; channels and subscriptions hold it, so that none is left.
        unsafe { sys::ca_context_destroy() };
    }
}

impl Channel {
    /// A channel to the PV of this name, wherever it may be.
    pub(super) fn new(context: &Rc<Context>, name: &CStr, id: ChannelId) -> Result<Self, Status> {
        let user = Arc::new(ChannelUser { id, inbox: Arc::clone(&context.inbox) });
        let mut handle = ptr::null_mut();
        let pointer = Arc::as_ptr(&user).cast_mut().cast();
        // SAFETY: `name` is copied, `handle` is written before the call returns, and `user` lives until
        // the channel is cleared.
        check(unsafe {
            sys::ca_create_channel(name.as_ptr(), Some(connection), pointer, 0, &raw mut handle)
        })?;
        let channel = Self { handle, user, context: Rc::clone(context) };
        // SAFETY: the channel exists until it is dropped.
        check(unsafe { sys::ca_replace_access_rights_event(handle, Some(access_rights)) })?;
        Ok(channel)
    }

    /// Asks for the value with its time; answered by [`Event::Got`].
    pub(super) fn get(
        &self,
        native: Native,
        shape: Shape,
        request: RequestId,
    ) -> Result<(), Status> {
        let (count, answered): (c_ulong, unsafe extern "C" fn(sys::event_handler_args)) =
            match shape {
                Shape::One => (1, got_one),
                Shape::Numbers => (0, got_numbers),
                Shape::Bytes => (0, got_bytes),
            };
        let kind = c_long::from(native.timed());
        // SAFETY: the channel exists; the user argument is a number, not a pointer.
        check(unsafe {
            sys::ca_array_get_callback(kind, count, self.handle, Some(answered), number(request))
        })
    }

    /// Puts, and asks to be told when all that it sets off is complete: [`Event::Put`].
    pub(super) fn put_callback(&self, payload: &Payload, request: RequestId) -> Result<(), Status> {
        with_bytes(payload, |kind, count, bytes| {
            // SAFETY: the channel exists; `bytes` has `count` elements of `kind`, which are copied; the
            // user argument is a number.
            check(unsafe {
                let (handle, user) = (self.handle, number(request));
                sys::ca_array_put_callback(kind, count, handle, bytes.cast(), Some(put_done), user)
            })
        })
    }

    /// Puts, and reads behind it, so that the answer tells that the server has taken the value:
    /// [`Event::Put`], after [`Event::PutRefused`] if it did not. Without the right to read, that it is
    /// on its way has to do.
    pub(super) fn put(&self, payload: &Payload, request: RequestId) -> Result<(), Status> {
        with_bytes(payload, |kind, count, bytes| {
            // SAFETY: the channel exists; `bytes` has `count` elements of `kind`, which are copied.
            check(unsafe { sys::ca_array_put(kind, count, self.handle, bytes.cast()) })
        })?;
        // SAFETY: the channel exists; the call only reads what libca keeps of it.
        let field_type = unsafe { sys::ca_field_type(self.handle) };
        let kind = c_long::from(field_type);
        // SAFETY: the channel exists; the user argument is a number.
        let asked = check(unsafe {
            sys::ca_array_get_callback(kind, 1, self.handle, Some(put_taken), number(request))
        });
        match asked {
            Err(Status(sys::ECA_NORDACCESS)) => {
                self.user.inbox.push(Event::Put { request, outcome: Ok(()) });
                Ok(())
            }
            // The put is on its way, and nobody will tell its end: the circuit dropped in between.
            asked => asked.map_err(|_| Status::DISCONNECTED),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: the channel exists and is cleared once; subscriptions hold it, so that none is left.
        // No callback runs during or after the call, which waits for one that does; `user` is freed
        // after it. Nothing can be done about a failure.
        unsafe { sys::ca_clear_channel(self.handle) };
        debug_assert!(Rc::strong_count(&self.context) > 0, "the context outlives its channels");
    }
}

impl Subscription {
    /// Tells [`Event::Sample`] now and at each change of value or alarm, also after a reconnection.
    pub(super) fn to_values(
        channel: &Rc<Channel>,
        native: Native,
        shape: Shape,
        own: Share,
    ) -> Result<Self, Status> {
        let (count, changed): (c_ulong, unsafe extern "C" fn(sys::event_handler_args)) = match shape
        {
            Shape::One => (1, changed_one),
            Shape::Numbers => (0, changed_numbers),
            Shape::Bytes => (0, changed_bytes),
        };
        let wanted = Wanted { kind: native.timed(), count, mask: VALUE_AND_ALARM, changed };
        Self::new(channel, &wanted, own)
    }

    /// Tells [`Event::Properties`] now, at each change of them, and after a reconnection.
    pub(super) fn to_properties(channel: &Rc<Channel>, native: Native) -> Result<Self, Status> {
        let kind = native.described();
        let wanted = Wanted { kind, count: 1, mask: PROPERTY, changed: described };
        Self::new(channel, &wanted, Share::new(super::SubscriptionId(0), 1))
    }

    fn new(channel: &Rc<Channel>, wanted: &Wanted, share: Share) -> Result<Self, Status> {
        let share = Arc::new(share);
        let mut handle = ptr::null_mut();
        let user = Arc::as_ptr(&share).cast_mut().cast();
        let Wanted { kind, count, mask, changed } = *wanted;
        // SAFETY: the channel exists, `handle` is written before the call returns, and `share` lives
        // until the subscription is cleared.
        check(unsafe {
            let (kind, channel, changed) = (c_long::from(kind), channel.handle, Some(changed));
            sys::ca_create_subscription(kind, count, channel, mask, changed, user, &raw mut handle)
        })?;
        Ok(Self { handle, _share: share, _channel: Rc::clone(channel) })
    }
}

struct Wanted {
    kind: i32,
    count: c_ulong,
    mask: c_long,
    changed: unsafe extern "C" fn(sys::event_handler_args),
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: the subscription exists, since its channel does, and is cleared once. No callback runs
        // during or after the call, which waits for one that does: callbacks take no lock of ours but
        // the inbox, which is not held here. Nothing can be done about a failure.
        unsafe { sys::ca_clear_subscription(self.handle) };
    }
}

/// What libca says of a status.
pub(super) fn message(status: Status) -> String {
    // SAFETY: takes a number, and gives a text that is never freed.
    let text = unsafe { CStr::from_ptr(sys::ca_message(status.0.into())) };
    text.to_string_lossy().into_owned()
}

/// Hands beacons of servers to the clients on this host, until the process ends.
pub(super) fn repeat() {
    // SAFETY: the argument is not used. It returns if there is a repeater already.
    unsafe { caRepeaterThread(ptr::null_mut()) };
}

/// The caller has seen that there is one thread.
pub(super) fn set_variable_of_the_only_thread(name: &str, value: &str) {
    // SAFETY: no other thread reads the environment meanwhile, since there is none.
    unsafe { std::env::set_var(name, value) };
}

fn check(status: c_int) -> Result<(), Status> {
    if status == sys::ECA_NORMAL { Ok(()) } else { Err(Status(status)) }
}

/// As libca has to carry it.
fn number(request: RequestId) -> *mut c_void {
    ptr::without_provenance_mut(request.0 as usize)
}

/// The payload as libca wants it: type, number of elements and their bytes.
fn with_bytes<T>(payload: &Payload, put: impl FnOnce(c_long, c_ulong, *const u8) -> T) -> T {
    match payload {
        Payload::Index(index) => put(c_long::from(sys::DBR_ENUM), 1, ptr::from_ref(index).cast()),
        Payload::Long(long) => put(c_long::from(sys::DBR_LONG), 1, ptr::from_ref(long).cast()),
        Payload::Double(double) => {
            put(c_long::from(sys::DBR_DOUBLE), 1, ptr::from_ref(double).cast())
        }
        Payload::Doubles(doubles) => {
            let count = doubles.len() as c_ulong;
            put(c_long::from(sys::DBR_DOUBLE), count, doubles.as_ptr().cast())
        }
        Payload::Text(text) => {
            let mut bytes = [0; STRING_BYTES];
            let length = text.len().min(STRING_BYTES - 1);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            put(c_long::from(sys::DBR_STRING), 1, bytes.as_ptr())
        }
        Payload::Bytes(bytes) => {
            let mut bytes = bytes.clone();
            bytes.push(0);
            put(c_long::from(sys::DBR_CHAR), bytes.len() as c_ulong, bytes.as_ptr())
        }
    }
}

/// libca's frames must not be unwound. What panicked has been told by the hook.
fn guarded(callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        tracing::error!("a callback of Channel Access panicked");
    }
}

/// The user of a channel, in one of its callbacks.
///
/// # Safety
/// `channel` is one of ours, or null.
unsafe fn user_of<'a>(channel: sys::chid) -> Option<&'a ChannelUser> {
    if channel.is_null() {
        return None;
    }
    // SAFETY: the channel exists during its callbacks. The pointer is to the user that was given when
    // it was made, which lives until it is cleared.
    unsafe { sys::ca_puser(channel).cast::<ChannelUser>().as_ref() }
}

/// The bytes of an answer; its status without any.
///
/// # Safety
/// `args` are those of the callback that runs, of a type whose elements begin behind `bytes(0)`.
unsafe fn buffer<'a>(
    args: &sys::event_handler_args,
    bytes: impl FnOnce(usize) -> usize,
) -> Result<&'a [u8], Status> {
    check(args.status)?;
    if args.dbr.is_null() {
        return Err(Status(sys::ECA_INTERNAL));
    }
    let bytes = bytes(usize::try_from(args.count).unwrap_or(0));
    // SAFETY: libca hands out as many elements as it says, and keeps them during the callback.
    Ok(unsafe { slice::from_raw_parts(args.dbr.cast::<u8>(), bytes) })
}

/// # Safety
/// `args` are those of the callback that runs, of a type with time and alarm.
unsafe fn sample(args: &sys::event_handler_args, shape: Shape) -> Result<dbr::Sample, Status> {
    let native = args.type_ - c_long::from(sys::DBR_TIME_STRING);
    let native = i16::try_from(native).ok().and_then(Native::from_field_type);
    let native = native.ok_or(Status(sys::ECA_BADTYPE));
    check(args.status)?;
    let native = native?;
    // SAFETY: as the caller says.
    let buffer = unsafe { buffer(args, |count| native.timed_bytes(count)) }?;
    dbr::sample(native, shape, buffer).ok_or(Status(sys::ECA_BADCOUNT))
}

unsafe extern "C" fn connection(args: sys::connection_handler_args) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        let channel = user.id;
        if args.op != c_long::from(sys::CA_OP_CONN_UP) {
            user.inbox.push(Event::Down { channel });
            return;
        }
        // SAFETY: the channel exists during its callbacks; the calls only read what libca keeps of it.
        let (field_type, max_count) =
            unsafe { (sys::ca_field_type(args.chid), sys::ca_element_count(args.chid)) };
        let Some(native) = Native::from_field_type(field_type) else {
            user.inbox.push(Event::Failed { channel, status: Status(sys::ECA_BADTYPE) });
            return;
        };
        let (rights, server) = (rights_of(args.chid), server_of(args.chid));
        let max_count = max_count as usize;
        user.inbox.push(Event::Up { channel, native, max_count, rights, server });
    });
}

unsafe extern "C" fn access_rights(args: sys::access_rights_handler_args) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        user.inbox.push(Event::Rights { channel: user.id, rights: rights_of(args.chid) });
    });
}

fn rights_of(channel: sys::chid) -> Rights {
    // SAFETY: the channel exists during its callbacks; the calls only read what libca keeps of it.
    let (read, write) = unsafe { (sys::ca_read_access(channel), sys::ca_write_access(channel)) };
    Rights { read: read != 0, write: write != 0 }
}

fn server_of(channel: sys::chid) -> Box<str> {
    let mut name = [0_u8; SERVER_BYTES];
    // SAFETY: the channel exists during its callbacks; at most as many bytes are written as there are,
    // with a zero behind them.
    unsafe {
        let (buffer, length) = (name.as_mut_ptr().cast::<c_char>(), SERVER_BYTES as c_uint);
        sys::ca_get_host_name(channel, buffer, length);
    }
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    name.to_string_lossy().into()
}

fn got(args: &sys::event_handler_args, shape: Shape) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        let request = RequestId(args.usr.addr() as u64);
        // SAFETY: gets ask for types with time and alarm.
        let sample = unsafe { sample(args, shape) };
        user.inbox.push(Event::Got { request, sample });
    });
}

unsafe extern "C" fn got_one(args: sys::event_handler_args) {
    got(&args, Shape::One);
}

unsafe extern "C" fn got_numbers(args: sys::event_handler_args) {
    got(&args, Shape::Numbers);
}

unsafe extern "C" fn got_bytes(args: sys::event_handler_args) {
    got(&args, Shape::Bytes);
}

unsafe extern "C" fn put_done(args: sys::event_handler_args) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        let request = RequestId(args.usr.addr() as u64);
        user.inbox.push(Event::Put { request, outcome: check(args.status) });
    });
}

unsafe extern "C" fn put_taken(args: sys::event_handler_args) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        let request = RequestId(args.usr.addr() as u64);
        user.inbox.push(Event::Put { request, outcome: taken(check(args.status)) });
    });
}

/// What the end of the read behind a plain put says of the put: a server that refuses the read alone
/// has passed the put.
fn taken(read: Result<(), Status>) -> Result<(), Status> {
    read.or_else(|status| if status.is_loss() { Err(status) } else { Ok(()) })
}

fn changed(args: &sys::event_handler_args, shape: Shape) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        // SAFETY: the share was given when the subscription was made, and lives until it is cleared.
        let Some(own) = (unsafe { args.usr.cast::<Share>().as_ref() }) else { return };
        // SAFETY: subscriptions to values ask for types with time and alarm.
        let sample = unsafe { sample(args, shape) };
        user.inbox.push_sample(own, sample);
    });
}

unsafe extern "C" fn changed_one(args: sys::event_handler_args) {
    changed(&args, Shape::One);
}

unsafe extern "C" fn changed_numbers(args: sys::event_handler_args) {
    changed(&args, Shape::Numbers);
}

unsafe extern "C" fn changed_bytes(args: sys::event_handler_args) {
    changed(&args, Shape::Bytes);
}

unsafe extern "C" fn described(args: sys::event_handler_args) {
    guarded(|| {
        // SAFETY: the channel is one of ours.
        let Some(user) = (unsafe { user_of(args.chid) }) else { return };
        let native = args.type_ - c_long::from(sys::DBR_CTRL_STRING);
        let native = i16::try_from(native).ok().and_then(Native::from_field_type);
        let properties = native.and_then(|native| {
            // SAFETY: subscriptions to properties ask for types with units, limits or choices.
            let buffer = unsafe { buffer(&args, |_| native.described_bytes()) }.ok()?;
            dbr::properties(native, buffer).map(Box::new)
        });
        user.inbox.push(Event::Properties { channel: user.id, properties });
    });
}

unsafe extern "C" fn excepted(args: sys::exception_handler_args) {
    guarded(|| {
        let status = Status(args.stat as i32);
        if args.op == c_long::from(sys::CA_OP_PUT)
            // SAFETY: the channel is one of ours, or null.
            && let Some(user) = unsafe { user_of(args.chid) }
        {
            user.inbox.push(Event::PutRefused { channel: user.id, status });
            return;
        }
        // SAFETY: the inbox was given with the handler, and lives until the context is destroyed.
        let Some(inbox) = (unsafe { args.usr.cast::<Inbox>().as_ref() }) else { return };
        let text = if args.ctx.is_null() {
            Box::default()
        } else {
            // SAFETY: libca gives a text that ends, and keeps it during the callback.
            unsafe { CStr::from_ptr(args.ctx) }.to_string_lossy().into()
        };
        inbox.push(Event::Exception { status, text });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_read_alone_was_once_told_as_a_refused_put() {
        let check = |read, expected| assert_eq!(taken(read), expected);
        check(Ok(()), Ok(()));
        check(Err(Status(sys::ECA_GETFAIL)), Ok(()));
        check(Err(Status(sys::ECA_NORDACCESS)), Ok(()));
        check(Err(Status(sys::ECA_DISCONN)), Err(Status(sys::ECA_DISCONN)));
    }
}
