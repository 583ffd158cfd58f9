//! t
use actix::prelude::*;
use bluefly_actors::{clock::Clock, random::Seed, supervise::*, system::simulated_system};
use std::time::Duration;
struct W(Lifeline, u32);
impl Actor for W {
    type Context = Context<Self>;
}
#[derive(Message)]
#[rtype(result = "u32")]
struct Inc;
impl Handler<Inc> for W {
    type Result = u32;
    fn handle(&mut self, _: Inc, _: &mut Context<Self>) -> u32 {
        self.1 += 1;
        if self.1 == 3 {
            panic!("boom")
        }
        self.1
    }
}
#[test]
fn smoke() {
    simulated_system().block_on(async {
        let env = Env::new(Clock::simulated(), Seed(1));
        let mut ev = env.events();
        let (spec, r) = ChildSpec::new("w", |_, l| W(l, 0));
        let tree = bluefly_actors::supervise::Supervisor::new(Strategy::OneForOne)
            .child(spec)
            .spawn("root", &env);
        r.up().await.unwrap();
        let s = Duration::from_secs(1);
        for _ in 0..3 {
            println!("{:?}", r.ask(Inc, s).await);
        }
        r.up().await.unwrap();
        println!("{:?} {:?}", r.ask(Inc, s).await, env.clock().now());
        println!("{}", serde_json::to_string(&tree.snapshot()).unwrap());
        println!("{:?}", tree.shutdown().await);
        while let Some(e) = ev.try_next() {
            println!("{e:?}");
        }
    });
}
