//! What was acknowledged stays, whoever dies.

use crate::rig::play;
use crate::rig::token::aes_material;
use cryptoki::object::Attribute;

#[test]
fn a_token_key_generated_in_one_process_encrypts_in_another() {
    play(|world| match world.role() {
        "maker" => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true), label()]);
            world.tell(&hex(&token.encrypt_block(key).unwrap()));
        }
        _ => {
            let mut maker = world.start("maker");
            let made = maker.hear();
            maker.ends_well();
            let token = world.same_token();
            let found = token.find_objects(&[&aes_material()[..], &[label()]].concat()).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(hex(&token.encrypt_block(found[0]).unwrap()), made);
        }
    });
}

fn label() -> Attribute {
    Attribute::Label(b"kept".to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
