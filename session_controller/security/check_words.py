"""Words for `check_words`: short, common, hard to mishear, and none about illness."""

_TEXT = """
acorn amber anchor apple apron arrow autumn basil basket beach beacon bench berry birch biscuit
blanket blossom boat bonnet book bottle bread breeze bridge brook broom bucket butter button cabin
cactus camel candle canoe canvas carpet carrot castle cedar cello chalk cherry chestnut circle
clover cloud coast cocoa comet copper coral cotton cradle crane crayon cricket crystal cup curtain
daisy dolphin donkey door drum duck eagle easel elm ember falcon feather fern ferry fiddle field
finch flag flame flute forest fountain fox garden garlic ginger glacier glove goose grape guitar
hammer harbor harp hazel hedge hen hill honey horse iris island ivory ivy jacket jasmine jelly
jewel kettle key kite ladder lagoon lake lamp lantern laurel lemon lentil lighthouse lilac lily
lion lizard lotus magnet mango maple marble meadow melon mint mirror mitten moon moss mountain
mulberry needle nest nutmeg oak oasis ocean olive onion orange orchard orchid otter owl oyster
paddle palm paper parrot peach pear pearl pebble pelican pencil pepper piano pigeon pillow pine
planet plum pocket pond poplar poppy potato prairie puffin pumpkin quilt rabbit radish rain raven
reed ribbon rice river robin rocket rose ruby saddle sail salmon sandal saturn scarf seal seed
shell shore silk silver sky sparrow spoon spruce star stone stork summer swan table tango teapot
thistle thunder tiger timber toast tomato tower train tulip tunnel turtle umbrella valley vanilla
velvet violet violin wagon walnut wave whale wheat willow window winter wool yarn zebra
"""

WORDS = tuple(_TEXT.split())
