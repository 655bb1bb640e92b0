//! What the owner of a connection sends.

use bytes::Bytes;
use redial_core::{Adapter, Frame, Io};

use super::slot::{Slot, State};
use super::{Connection, Join, Phase};
use crate::{Args, Content, Event, Generation, Namespace, Packet, SendError};

impl Connection {
    /// Asks for a namespace, once the server has opened the connection.
    ///
    /// An older server's main namespace needs not to be asked for; doing so before its
    /// confirmation is no error and does nothing.
    ///
    /// # Errors
    ///
    /// Where the namespace was asked for already, and where there is no room. A newer server
    /// would make two members of one that asks twice.
    pub fn join(&mut self, namespace: &Namespace, join: Join) -> Result<(), SendError> {
        self.check()?;
        let main_of_older = self.generation == Generation::Eio3 && namespace.is_main();
        if let Some(slot) = self.slots.iter().find(|slot| slot.namespace == *namespace) {
            return match slot.state {
                State::Asked { .. } if main_of_older => Ok(()),
                State::Wanted(_) | State::Asked { .. } | State::Leaving | State::Joined(_) => {
                    Err(SendError::JoinedAlready)
                }
            };
        }
        if main_of_older {
            return Err(SendError::Gone);
        }
        if self.slots.len() >= self.limits.namespaces {
            return Err(SendError::ManyNamespaces);
        }
        let state = match self.phase {
            Phase::Opening | Phase::Failed => State::Wanted(join),
            Phase::Open { .. } => {
                self.push_packet(&join.packet(namespace, self.generation))?;
                State::asked(join.recovery().cloned())
            }
        };
        self.slots.push(Slot { namespace: namespace.clone(), state });
        Ok(())
    }

    /// Leaves a namespace. One that is not confirmed is left as soon as it is.
    ///
    /// # Errors
    ///
    /// [`SendError::NotJoined`] where it was not asked for, and where there is no room.
    pub fn leave(&mut self, namespace: &Namespace) -> Result<(), SendError> {
        self.check()?;
        let index = self.index(namespace)?;
        match self.slots.get_mut(index) {
            // A newer server closes the connection of somebody who leaves what it has not joined.
            Some(slot) if matches!(slot.state, State::Asked { .. }) => slot.state = State::Leaving,
            Some(Slot { state: State::Joined(_), .. }) => {
                let namespace = namespace.clone();
                self.push_packet(&Packet { namespace, content: Content::Disconnect })?;
                self.slots.swap_remove(index);
            }
            Some(Slot { state: State::Wanted(_), .. }) => {
                self.slots.swap_remove(index);
            }
            Some(Slot { state: State::Leaving | State::Asked { .. }, .. }) | None => {}
        }
        Ok(())
    }

    /// Sends an event.
    ///
    /// # Errors
    ///
    /// Where the namespace is not joined, the server does not take so much, or there is no room.
    pub fn emit(&mut self, namespace: &Namespace, event: &Event) -> Result<(), SendError> {
        self.send(namespace, Content::Event { ack: None, event: event.clone() })
    }

    /// Sends an event that wants an acknowledgement, and returns the id under which it comes.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::emit`], and [`SendError::ManyAcks`].
    pub fn request(&mut self, namespace: &Namespace, event: &Event) -> Result<u64, SendError> {
        let limits = self.limits;
        let id = self.joined(namespace)?.ask(&limits).ok_or(SendError::ManyAcks)?;
        self.send(namespace, Content::Event { ack: Some(id), event: event.clone() })?;
        self.joined(namespace)?.asked();
        Ok(id)
    }

    /// No longer waits for an acknowledgement.
    pub fn forget(&mut self, namespace: &Namespace, id: u64) {
        if let Ok(joined) = self.joined(namespace) {
            joined.settle(id);
        }
    }

    /// Acknowledges an event of the server.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::emit`].
    pub fn answer(&mut self, namespace: &Namespace, id: u64, args: &Args) -> Result<(), SendError> {
        self.send(namespace, Content::Ack { id, args: args.clone() })
    }

    /// Sends a heartbeat to an older server. A newer one would close the connection: it is sent
    /// nothing.
    ///
    /// # Errors
    ///
    /// Where there is no room.
    pub fn ping(&mut self) -> Result<(), SendError> {
        self.check()?;
        match (self.generation, self.phase) {
            (Generation::Eio3, Phase::Open { .. }) => {
                self.push_frame(Frame::Text(Bytes::from_static(b"2"))).map_err(|_| SendError::Full)
            }
            (Generation::Eio3, Phase::Opening | Phase::Failed) | (Generation::Eio4, _) => Ok(()),
        }
    }

    /// Writes all frames that wait to the socket that is open now, text and bytes in their order.
    pub fn flush<A: Adapter>(&mut self, io: &mut Io<'_, A>) {
        while let Some(frame) = self.poll_frame() {
            match frame {
                Frame::Text(bytes) => io.text(|out| out.extend_from_slice(&bytes)),
                Frame::Binary(bytes) => io.binary(bytes),
                // A connection makes none: its heartbeats are text.
                Frame::Ping(_) | Frame::Pong(_) => {}
            }
        }
    }

    /// Writes a packet, all of it or nothing.
    pub(super) fn push_packet(&mut self, packet: &Packet) -> Result<(), SendError> {
        if self.frames.len() + 1 + packet.attachments().len() > self.limits.queue {
            return Err(SendError::Full);
        }
        let most = match self.phase {
            Phase::Open { max_payload: Some(most) } => most,
            Phase::Open { max_payload: None } | Phase::Opening | Phase::Failed => u64::MAX,
        };
        let before = self.frames.len();
        self.frames.extend(packet.frames(self.generation));
        let too_large = self.frames.iter().skip(before).any(|frame| match frame {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes.len() as u64 > most,
            Frame::Ping(_) | Frame::Pong(_) => false,
        });
        if too_large {
            self.frames.truncate(before);
            return Err(SendError::TooLarge);
        }
        Ok(())
    }

    fn send(&mut self, namespace: &Namespace, content: Content) -> Result<(), SendError> {
        self.joined(namespace)?;
        self.push_packet(&Packet { namespace: namespace.clone(), content })
    }

    fn joined(&mut self, namespace: &Namespace) -> Result<&mut super::Joined, SendError> {
        self.check()?;
        let index = self.index(namespace)?;
        match self.slots.get_mut(index) {
            Some(Slot { state: State::Joined(joined), .. }) => Ok(joined),
            Some(_) | None => Err(SendError::NotJoined),
        }
    }

    fn index(&self, namespace: &Namespace) -> Result<usize, SendError> {
        self.slots.iter().position(|slot| slot.namespace == *namespace).ok_or(SendError::NotJoined)
    }

    const fn check(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Failed => Err(SendError::Failed),
            Phase::Opening | Phase::Open { .. } => Ok(()),
        }
    }
}
