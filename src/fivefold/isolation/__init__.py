"""What keeps an application in our process apart from us: its logging, its forks, its threads; and
one program of ours from what a killed one left."""
